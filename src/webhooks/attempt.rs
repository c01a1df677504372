//! One attempt to push a token (RFC 8935 §2): the request, and what the answer means. What a receiver says is kept short, and
//! without the secret that it was sent.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};

use super::endpoint::{EndpointError, check_endpoint};
use crate::protocol::set_poll::SetError;
use crate::secret::Secret;
use crate::spans;

/// How long a receiver may take in all.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Of an answer's body, more is not read.
const LARGEST_BODY: usize = 64 * 1024;

/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 300;

/// Why a token did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    #[error("the endpoint {0}")]
    Endpoint(#[from] EndpointError),
    #[error("the authorization cannot be sent as a header")]
    Authorization,
    /// The text names no address and holds nothing of the request.
    #[error("{0}")]
    Connection(String),
    #[error("the receiver answered {0}")]
    Status(u16),
    /// RFC 8935 §2.4.
    #[error("the receiver answered 400 {}: {}", .0.err, .0.description)]
    Refused(SetError),
}

/// The client that pushes: TLS or loopback, no redirects, no proxy.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("signet/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// # Errors
/// Whatever is not 202.
pub async fn send(
    http: &reqwest::Client,
    endpoint: &str,
    authorization: Option<&Secret>,
    token: String,
) -> Result<(), Undelivered> {
    let mut headers = HeaderMap::new();
    let mut request = http
        .post(check_endpoint(endpoint)?)
        .header(CONTENT_TYPE, "application/secevent+jwt")
        .header(ACCEPT, "application/json")
        .body(token);
    spans::inject(|name, value| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    });
    request = request.headers(headers);
    if let Some(authorization) = authorization {
        let value = HeaderValue::from_str(authorization.expose()).map_err(|_| Undelivered::Authorization);
        let mut value = value?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let response = request.send().await.map_err(|error| Undelivered::Connection(innermost(&error)))?;
    match response.status() {
        StatusCode::ACCEPTED => Ok(()),
        StatusCode::BAD_REQUEST => Err(refusal(response).await.map_or(Undelivered::Status(400), Undelivered::Refused)),
        other => Err(Undelivered::Status(other.as_u16())),
    }
}

/// The reason in the body of a 400, if it is one of RFC 8935.
async fn refusal(mut response: Response) -> Option<SetError> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > LARGEST_BODY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}

/// The outer texts only repeat the address; the innermost says what happened.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", PATIENCE.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What is kept of an error: one short line, in which a receiver that repeats its authorization does not give it away.
pub fn kept(error: &str, authorization: Option<&Secret>) -> String {
    let mut text = error.to_owned();
    if let Some(authorization) = authorization {
        let credentials = authorization.expose().split_once(' ').map_or("", |(_, credentials)| credentials.trim());
        for secret in [authorization.expose(), credentials].into_iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "…");
        }
    }
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_ERROR).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_one_short_line_without_the_authorization() {
        let authorization = Secret::new("Bearer correct-horse-battery");
        let error = "400 x: I got Bearer correct-horse-battery\nthat is correct-horse-battery\0";
        assert_eq!(kept(error, Some(&authorization)), "400 x: I got … that is …");
        assert_eq!(kept(&"é".repeat(5000), None).chars().count(), LONGEST_ERROR);
    }
}
