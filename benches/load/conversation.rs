//! What one connection says over and over, and how it tells a good answer.

use std::net::SocketAddr;
use std::vec::IntoIter;

use crate::client::{self, Answer};

#[derive(Clone)]
pub struct Conversation {
    pub address: SocketAddr,
    request: Vec<u8>,
    expected: Option<Expected>,
    next: Next,
}

/// What a good answer's JSON body has: this member, whose value begins so.
#[derive(Clone, Copy)]
pub struct Expected {
    pub member: &'static str,
    pub value: &'static str,
}

/// What is asked after a good answer.
#[derive(Clone)]
enum Next {
    Same,
    /// The answer brings the refresh token of the next request, sent with this authorization.
    Refresh(String),
    /// Each request once; after the last there is none.
    Listed(IntoIter<Vec<u8>>),
}

impl Conversation {
    /// The same request every time.
    pub fn repeated(address: SocketAddr, request: Vec<u8>, expected: Expected) -> Self {
        Self { address, request, expected: Some(expected), next: Next::Same }
    }

    /// These requests, one after the other, whose answers need no body.
    pub fn listed(address: SocketAddr, requests: Vec<Vec<u8>>) -> Self {
        let mut requests = requests.into_iter();
        let request = requests.next().unwrap_or_default();
        Self { address, request, expected: None, next: Next::Listed(requests) }
    }

    /// A session that refreshes: RFC 6749 §6, with the rotation of RFC 9700 §4.14.2.
    pub fn refreshing(address: SocketAddr, authorization: &str, refresh_token: &str) -> Self {
        let request = refresh(address, authorization, refresh_token);
        let expected = Expected { member: "access_token", value: "\"" };
        Self { address, request, expected: Some(expected), next: Next::Refresh(authorization.to_owned()) }
    }

    /// Empty where there is nothing more to ask.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Whether `answer` is a good one; where it is, the conversation has moved on to its next request.
    pub fn accepts(&mut self, answer: &Answer<'_>) -> bool {
        let Ok(body) = str::from_utf8(answer.body) else { return false };
        let as_expected = self.expected.is_none_or(|expected| {
            value_of(body, expected.member).is_some_and(|value| value.starts_with(expected.value))
        });
        if answer.status != 200 || !as_expected {
            return false;
        }
        match &mut self.next {
            Next::Same => {}
            Next::Refresh(authorization) => {
                let Some(refresh_token) = string_member(body, "refresh_token") else { return false };
                self.request = refresh(self.address, authorization, refresh_token);
            }
            Next::Listed(requests) => self.request = requests.next().unwrap_or_default(),
        }
        true
    }
}

fn refresh(address: SocketAddr, authorization: &str, refresh_token: &str) -> Vec<u8> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    client::post(address, "/oauth2/token", authorization, &form)
}

/// The value of a string member that holds no escapes, as tokens do not.
pub fn string_member<'a>(body: &'a str, member: &str) -> Option<&'a str> {
    value_of(body, member)?.strip_prefix('"')?.split_once('"').map(|(value, _)| value)
}

/// What follows `"member":`. A search in the text, not a parser: it runs once a request, beside the server under test.
fn value_of<'a>(body: &'a str, member: &str) -> Option<&'a str> {
    body.match_indices(member).find_map(|(at, _)| {
        body[..at].ends_with('"').then_some(())?;
        Some(body[at + member.len()..].strip_prefix('"')?.trim_start().strip_prefix(':')?.trim_start())
    })
}
