//! Why a request of an administrator was not carried out (RFC 9457), and with which status.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

use super::allow;
use crate::admin::access::Denied;
use crate::admin::operation::Access;
use crate::admin::{self, Error};
use crate::http::error::uncached;
use crate::keys::KeysError;
use crate::store;

#[derive(Debug)]
pub enum Problem {
    Admin(admin::Error),
    /// No credentials in a form that is read.
    NoToken,
    /// No token that holds; the text is for the log.
    Token(String),
    /// A token for something else.
    Scope(Access),
    /// The request says something that makes no sense; where, as a JSON pointer (RFC 6901) or the name of a parameter.
    Malformed {
        place: Place,
        detail: String,
    },
    NoResource,
    Method {
        allowed: String,
    },
    MediaType(&'static str),
    TooLarge,
    TooSlow,
    /// The same `Idempotency-Key` came with another request.
    KeyReused,
    /// The server was put together wrongly.
    Unprepared,
}

#[derive(Debug)]
pub enum Place {
    Body(String),
    Parameter(String),
    Request,
}

impl From<admin::Error> for Problem {
    fn from(error: admin::Error) -> Self {
        Self::Admin(error)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Token(why) => Self::Token(why),
            Denied::Scope(access) => Self::Scope(access),
            Denied::Failed(error) => Self::Admin(error),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin(error) => error.fmt(f),
            Self::Token(why) => f.write_str(why),
            _ => f.write_str(&self.words().2),
        }
    }
}

/// A status, a word for programs, and a sentence for people.
type Words = (StatusCode, &'static str, String);

impl Problem {
    fn words(&self) -> Words {
        let unavailable =
            || (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The database does not answer.".to_owned());
        let failed = || (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "The server failed.".to_owned());
        let refused = |status, code, text: &str| (status, code, text.to_owned());
        match self {
            Self::Admin(error) => match error {
                Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found", error.to_string()),
                Error::Exists { .. } => (StatusCode::CONFLICT, "exists", error.to_string()),
                Error::Refused(_) => (StatusCode::CONFLICT, "refused", error.to_string()),
                Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid", error.to_string()),
                Error::Password(_) => (StatusCode::BAD_REQUEST, "password", error.to_string()),
                Error::Repeated => (StatusCode::CONFLICT, "repeated", error.to_string()),
                Error::Changed => (StatusCode::PRECONDITION_FAILED, "changed", error.to_string()),
                Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()),
                Error::Store(store::Error::Unavailable(_))
                | Error::Keys(KeysError::Store(store::Error::Unavailable(_))) => unavailable(),
                Error::Store(_) | Error::Keys(_) | Error::Hashing(_) => failed(),
            },
            Self::NoToken => refused(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "An access token for the administration API is needed, in the Authorization header as `Bearer TOKEN`.",
            ),
            Self::Token(_) => refused(
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "The access token is not one for the administration API, or does not hold any more.",
            ),
            Self::Scope(access) => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                format!("The access token, or its client, does not have the scope {}.", access.scope()),
            ),
            Self::Unprepared => failed(),
            Self::Malformed { detail, .. } => (StatusCode::BAD_REQUEST, "malformed", detail.clone()),
            Self::NoResource => refused(StatusCode::NOT_FOUND, "not_found", "There is no such resource."),
            Self::Method { .. } => {
                refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here.")
            }
            Self::MediaType(expected) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                format!("The content type must be {expected}."),
            ),
            Self::TooLarge => refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large."),
            Self::TooSlow => refused(StatusCode::REQUEST_TIMEOUT, "too_slow", "The body did not arrive in time."),
            Self::KeyReused => refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The Idempotency-Key was used for another request in the last 24 hours.",
            ),
        }
    }

    /// Where the fault lies.
    fn faults(&self, detail: &str) -> Option<Value> {
        let fault = match self {
            Self::Admin(Error::Invalid { field, .. }) => json!({ "pointer": format!("/{field}"), "detail": detail }),
            Self::Admin(Error::Password(_)) => json!({ "pointer": "/password", "detail": detail }),
            Self::Malformed { place: Place::Body(pointer), .. } => json!({ "pointer": pointer, "detail": detail }),
            Self::Malformed { place: Place::Parameter(name), .. } => json!({ "parameter": name, "detail": detail }),
            _ => return None,
        };
        Some(json!([fault]))
    }

    /// What to say of authentication (RFC 6750 §3).
    fn challenge(&self) -> Option<String> {
        let realm = r#"Bearer realm="signet administration""#;
        match self {
            Self::NoToken => Some(realm.to_owned()),
            Self::Token(_) => Some(format!(r#"{realm}, error="invalid_token""#)),
            Self::Scope(access) => {
                Some(format!(r#"{realm}, error="insufficient_scope", scope="{}""#, Access::scope(*access)))
            }
            _ => None,
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.words().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code, detail) = self.words();
        if status.is_server_error() {
            tracing::error!(reason = %self, status = status.as_u16(), "administration failed");
        } else {
            tracing::info!(reason = %self, status = status.as_u16(), "administration refused");
        }
        let mut answer = HttpResponse::build(status);
        if let Some(challenge) = self.challenge() {
            answer.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Self::Method { allowed } = self {
            answer.insert_header(allow(allowed));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.insert_header((RETRY_AFTER, "2"));
        }
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": code,
            "detail": detail,
        });
        if let Some(faults) = self.faults(&detail) {
            body["errors"] = faults;
        }
        uncached(&mut answer).insert_header((CONTENT_TYPE, "application/problem+json")).body(body.to_string())
    }
}
