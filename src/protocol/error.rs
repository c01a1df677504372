//! Error codes and the body that carries them (RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 8707 §2).

use serde::{Deserialize, Serialize};

/// The `error` member. The order is that of the RFCs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1 names these two for the authorization endpoint, whose redirect has no status code; here they
    /// say in the body what the status (503 or 429, 500) says.
    TemporarilyUnavailable,
    ServerError,
}

impl ErrorCode {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// The body of every refusal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ErrorBody {
    pub error: ErrorCode,
    pub error_description: std::borrow::Cow<'static, str>,
}
