//! The one mapping from refusals to answers: status, headers, a fixed description (RFC 6749 §5.2). The precise reason goes
//! to the log, once, and never to the client.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use super::limits::Refusal;
use crate::oauth;
use crate::protocol::error::{ErrorBody, ErrorCode};

/// A refused request.
#[derive(Debug)]
pub enum Error {
    OAuth(oauth::Error),
    /// The body is longer than a request may be.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The server takes no more, of all or from this address.
    Refused(Refusal),
}

impl From<oauth::Error> for Error {
    fn from(error: oauth::Error) -> Self {
        Self::OAuth(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OAuth(error) => error.fmt(f),
            Self::TooLarge => f.write_str("invalid_request: the body is too large"),
            Self::TooSlow => f.write_str("invalid_request: the body did not arrive in time"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// Status, code, public text, and seconds to wait where trying again may help.
struct Answer(StatusCode, ErrorCode, &'static str, Option<u32>);

impl Error {
    fn answer(&self) -> Answer {
        use ErrorCode as Code;
        use oauth::Error as Refused;
        let bad = |code, text| Answer(StatusCode::BAD_REQUEST, code, text, None);
        let error = match self {
            Self::TooLarge => {
                return Answer(StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidRequest, "the body is too large", None);
            }
            Self::TooSlow => {
                let text = "the body did not arrive in time";
                return Answer(StatusCode::REQUEST_TIMEOUT, Code::InvalidRequest, text, None);
            }
            Self::Refused(Refusal::Load) => return busy(1),
            Self::Refused(Refusal::Rate(wait)) => {
                return Answer(
                    StatusCode::TOO_MANY_REQUESTS,
                    Code::TemporarilyUnavailable,
                    "Too many requests. Try again later.",
                    Some(seconds(*wait)),
                );
            }
            Self::OAuth(error) => error,
        };
        match error {
            Refused::InvalidRequest(text) => bad(Code::InvalidRequest, *text),
            Refused::InvalidClient(_) => {
                Answer(StatusCode::UNAUTHORIZED, Code::InvalidClient, "Client authentication failed.", None)
            }
            Refused::InvalidGrant(_) => {
                bad(Code::InvalidGrant, "The credentials or the refresh token are invalid, expired or revoked.")
            }
            Refused::UnauthorizedClient(_) | Refused::OutsideNetworks => {
                bad(Code::UnauthorizedClient, "The client may not use this grant type.")
            }
            Refused::UnsupportedGrantType => bad(Code::UnsupportedGrantType, "The grant type is not supported."),
            Refused::InvalidScope(_) => {
                bad(Code::InvalidScope, "The scope is malformed or exceeds what may be granted.")
            }
            Refused::InvalidTarget(_) => bad(Code::InvalidTarget, "The resource is not one the client may use."),
            // Neither RFC 6749 nor RFC 8707 has a code for it. `invalid_grant` would make clients ask for another password
            // or drop the session, `slow_down` (RFC 8628) is an answer to polling.
            Refused::Throttled { retry_after } => Answer(
                StatusCode::TOO_MANY_REQUESTS,
                Code::TemporarilyUnavailable,
                "Too many attempts. Try again later.",
                Some(seconds(retry_after.to_std().unwrap_or_default())),
            ),
            Refused::Busy { retry_after } => busy(seconds(*retry_after)),
            Refused::Unavailable(_) => Answer(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::TemporarilyUnavailable,
                "The server cannot answer at the moment. Try again.",
                Some(2),
            ),
            Refused::Internal(_) => {
                Answer(StatusCode::INTERNAL_SERVER_ERROR, Code::ServerError, "The server failed.", None)
            }
        }
    }
}

impl Error {
    /// The code that is answered, for counting.
    pub fn code(&self) -> &'static str {
        self.answer().1.as_str()
    }
}

/// In whole seconds, and never too early.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().max(1)).unwrap_or(u32::MAX).div_ceil(1000)
}

fn busy(retry_after: u32) -> Answer {
    let text = "The server is busy. Try again in a moment.";
    Answer(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, text, Some(retry_after))
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.answer().0
    }

    fn error_response(&self) -> HttpResponse {
        let Answer(status, error, description, retry_after) = self.answer();
        if matches!(self, Self::Refused(_) | Self::OAuth(oauth::Error::Busy { .. } | oauth::Error::Throttled { .. })) {
            // Said by who refuses, `limits`, the hashing threads or the brake on logins, for many at once.
        } else if status.is_server_error() {
            tracing::error!(reason = %self, status = status.as_u16(), "request failed");
        } else {
            tracing::info!(reason = %self, status = status.as_u16(), "request refused");
        }
        let mut answer = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1 wants it with every 401; RFC 6749 §5.2 where Basic was tried.
            answer.insert_header((WWW_AUTHENTICATE, r#"Basic realm="signet", charset="UTF-8""#));
        }
        if let Some(seconds) = retry_after {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        uncached(&mut answer).json(ErrorBody { error, error_description: description.into() })
    }
}

/// Marks an answer that no cache may keep (RFC 6749 §5.1).
pub fn uncached(answer: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"))
}

/// A refusal that is HTTP's own rather than OAuth's, in the same form.
pub fn plain(mut answer: HttpResponseBuilder, error: &str, description: &str) -> HttpResponse {
    let body = serde_json::json!({ "error": error, "error_description": description });
    uncached(&mut answer).insert_header((CONTENT_TYPE, "application/json")).body(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{ClientRefusal, GrantRefusal};
    use crate::protocol::client::GrantType;

    /// Every variant: its status, code, and whether it says when to come back.
    #[test]
    fn each_refusal_has_its_status_and_code() {
        use oauth::Error as Refused;
        let table = [
            (Refused::InvalidRequest("x"), 400, "invalid_request", false),
            (Refused::InvalidClient(ClientRefusal::Unknown), 401, "invalid_client", false),
            (Refused::InvalidGrant(GrantRefusal::Replayed), 400, "invalid_grant", false),
            (Refused::UnauthorizedClient(GrantType::Password), 400, "unauthorized_client", false),
            (Refused::OutsideNetworks, 400, "unauthorized_client", false),
            (Refused::Throttled { retry_after: chrono::Duration::seconds(9) }, 429, "temporarily_unavailable", true),
            (Refused::UnsupportedGrantType, 400, "unsupported_grant_type", false),
            (Refused::InvalidScope("x"), 400, "invalid_scope", false),
            (Refused::InvalidTarget("x"), 400, "invalid_target", false),
            (Refused::Busy { retry_after: Duration::from_secs(2) }, 503, "temporarily_unavailable", true),
            (Refused::Unavailable("secret".into()), 503, "temporarily_unavailable", true),
            (Refused::Internal("secret".into()), 500, "server_error", false),
        ];
        for (refused, status, code, retried) in table {
            let error = Error::OAuth(refused);
            let response = error.error_response();
            assert_eq!(response.status().as_u16(), status, "{error}");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), retried, "{error}");
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), status == 401, "{error}");
            assert_eq!(response.headers().get(CACHE_CONTROL).unwrap(), "no-store");
            let Answer(_, answered, text, _) = error.answer();
            assert_eq!(serde_json::to_value(answered).unwrap(), code);
            assert_eq!(error.code(), code);
            assert!(!text.contains("secret"));
        }
    }

    #[test]
    fn who_comes_back_when_told_does_not_come_too_early() {
        for (milliseconds, seconds) in [(-5, "1"), (0, "1"), (999, "1"), (1000, "1"), (1001, "2"), (900_000, "900")] {
            let retry_after = chrono::Duration::milliseconds(milliseconds);
            let busy = oauth::Error::Busy { retry_after: retry_after.to_std().unwrap_or_default() };
            for refused in [oauth::Error::Throttled { retry_after }, busy] {
                let answer = Error::OAuth(refused).error_response();
                assert_eq!(answer.headers().get(RETRY_AFTER).unwrap(), seconds, "{milliseconds}");
            }
        }
    }
}
