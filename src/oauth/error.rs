//! What a request can be refused for. The variants are the RFC's codes; what they hold is for the log alone.

use chrono::Duration;

use crate::protocol::client::GrantType;
use crate::protocol::form::FormError;
use crate::protocol::token::TokenRequestError;
use crate::{keys, password, store};

/// A refusal. `http/error.rs` maps it, once, to a status, headers and a fixed description.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is fixed and tells nothing but the fault of form, so it is answered as well as logged.
    #[error("invalid_request: {0}")]
    InvalidRequest(&'static str),
    #[error("invalid_client: {0}")]
    InvalidClient(ClientRefusal),
    #[error("invalid_grant: {0}")]
    InvalidGrant(GrantRefusal),
    #[error("unauthorized_client: the client may not use {0}")]
    UnauthorizedClient(GrantType),
    #[error("unauthorized_client: the client may not use the password grant from this address")]
    OutsideNetworks,
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    #[error("invalid_scope: {0}")]
    InvalidScope(&'static str),
    #[error("invalid_target: {0}")]
    InvalidTarget(&'static str),
    /// Too many logins failed: under the name, from the address, or both. Which of them, nobody is told.
    #[error("throttled: too many failed logins, to be tried again in {} s", .retry_after.num_seconds())]
    Throttled { retry_after: Duration },
    /// More work than may be taken on; the same request may succeed in a moment.
    #[error("busy: every password worker is taken")]
    Busy { retry_after: std::time::Duration },
    #[error("unavailable: {0}")]
    Unavailable(String),
    #[error("internal: {0}")]
    Internal(String),
}

/// Why a client is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientRefusal {
    #[error("no credentials")]
    Absent,
    #[error("malformed Authorization header")]
    Malformed,
    #[error("no such client")]
    Unknown,
    #[error("the client is disabled")]
    Disabled,
    #[error("wrong or expired secret")]
    WrongSecret,
    #[error("the client is registered for another authentication method")]
    Method,
    #[error("a public client may not do this")]
    Public,
}

/// Why a grant gives nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GrantRefusal {
    #[error("no such user, or a wrong password")]
    Credentials,
    #[error("the user or client was changed while logging in")]
    Changed,
    #[error("not a refresh token of this issuer")]
    Malformed,
    #[error("no such grant")]
    Unknown,
    #[error("the grant is another client's")]
    OtherClient,
    #[error("the grant is revoked")]
    Revoked,
    #[error("the grant has expired")]
    Expired,
    #[error("a used refresh token was presented: the grant is revoked now")]
    Replayed,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(detail) => Self::Unavailable(detail),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<password::Error> for Error {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Busy { retry_after } => Self::Busy { retry_after },
            password::Error::TooLong => Self::InvalidGrant(GrantRefusal::Credentials),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<keys::KeysError> for Error {
    fn from(error: keys::KeysError) -> Self {
        match error {
            keys::KeysError::Store(error) => error.into(),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<keys::SignError> for Error {
    fn from(error: keys::SignError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<FormError> for Error {
    fn from(error: FormError) -> Self {
        Self::InvalidRequest(match error {
            FormError::Escape => "broken percent-encoding",
            FormError::Encoding => "a parameter is not UTF-8",
            FormError::Control => "a parameter has a control character",
            FormError::TooMany => "too many parameters",
            FormError::Repeated => "a parameter is repeated",
            FormError::Missing => "a required parameter is missing",
            FormError::Malformed => "a parameter is malformed",
        })
    }
}

impl From<TokenRequestError> for Error {
    fn from(error: TokenRequestError) -> Self {
        match error {
            TokenRequestError::Form(form) => form.into(),
            TokenRequestError::Scope(_) => Self::InvalidScope("the scope is malformed"),
            TokenRequestError::UnsupportedGrantType => Self::UnsupportedGrantType,
        }
    }
}
