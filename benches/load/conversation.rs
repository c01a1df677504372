//! What one connection says over and over, and how it tells a good answer.

use std::net::SocketAddr;

use crate::client::{self, Answer};

#[derive(Clone)]
pub struct Conversation {
    request: Vec<u8>,
    expected: Expected,
    rotation: Option<Rotation>,
}

/// What a good answer's JSON body has: this member, whose value begins so.
#[derive(Clone, Copy)]
pub struct Expected {
    pub member: &'static str,
    pub value: &'static str,
}

/// Every answer brings the refresh token of the next request.
#[derive(Clone)]
struct Rotation {
    address: SocketAddr,
    authorization: String,
}

impl Conversation {
    /// The same request every time.
    pub fn repeated(request: Vec<u8>, expected: Expected) -> Self {
        Self { request, expected, rotation: None }
    }

    /// A session that refreshes: RFC 6749 §6, with the rotation of RFC 9700 §4.14.2.
    pub fn refreshing(address: SocketAddr, authorization: &str, refresh_token: &str) -> Self {
        let rotation = Rotation { address, authorization: authorization.to_owned() };
        let request = rotation.request(refresh_token);
        Self { request, expected: Expected { member: "access_token", value: "\"" }, rotation: Some(rotation) }
    }

    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Whether `answer` is a good one; where it is, the conversation has moved on to its next request.
    pub fn accepts(&mut self, answer: &Answer<'_>) -> bool {
        let Ok(body) = str::from_utf8(answer.body) else { return false };
        let good = answer.status == 200
            && value_of(body, self.expected.member).is_some_and(|value| value.starts_with(self.expected.value));
        if let (true, Some(rotation)) = (good, &self.rotation) {
            let Some(refresh_token) = string_member(body, "refresh_token") else { return false };
            self.request = rotation.request(refresh_token);
        }
        good
    }
}

impl Rotation {
    fn request(&self, refresh_token: &str) -> Vec<u8> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        client::post(self.address, "/oauth2/token", &self.authorization, &form)
    }
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
