//! The token request and response (RFC 6749 §4.3, §4.4, §5.1, §6; RFC 8707 §2), and the claims of an access token (RFC
//! 9068 §2.2).

use serde::{Deserialize, Serialize};

use super::client::GrantType;
use super::form::{Form, FormError};
use super::scope::{Scope, ScopeError};
use crate::secret::Secret;

/// A token request: each grant type with exactly its own parameters. Others are ignored (RFC 6749 §3.2).
#[derive(Debug)]
pub enum TokenRequest {
    ClientCredentials(Requested),
    Password { username: String, password: Secret, requested: Requested },
    RefreshToken { presented: Secret, requested: Requested },
}

/// What the token should be good for. Absent: all that the client (or the grant) has.
#[derive(Debug, Default)]
pub struct Requested {
    pub scope: Option<Scope>,
    /// Every `resource` parameter.
    pub resources: Vec<String>,
}

/// Why a token request cannot be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenRequestError {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error("an unknown grant type")]
    UnsupportedGrantType,
}

impl TokenRequest {
    pub fn from_form(form: &Form) -> Result<Self, TokenRequestError> {
        let grant_type = form.required("grant_type")?.parse().map_err(|_| TokenRequestError::UnsupportedGrantType)?;
        let requested = Requested {
            scope: form.optional("scope").map(str::parse).transpose()?,
            resources: form.all("resource").map(str::to_owned).collect(),
        };
        Ok(match grant_type {
            GrantType::ClientCredentials => Self::ClientCredentials(requested),
            GrantType::Password => Self::Password {
                username: form.required("username")?.to_owned(),
                password: Secret::new(form.required("password")?),
                requested,
            },
            GrantType::RefreshToken => {
                Self::RefreshToken { presented: Secret::new(form.required("refresh_token")?), requested }
            }
        })
    }

    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::Password { .. } => GrantType::Password,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
        }
    }
}

/// RFC 6749 §5.1. It serializes the tokens, so it exists only on its way out.
#[derive(Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    pub scope: Scope,
}

/// The claims of an access token (RFC 9068 §2.2, Token Status List draft-21 §6). Times are seconds since 1970.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AccessTokenClaims {
    pub iss: String,
    /// A user's id, or the `client_id` where the client acts for itself.
    pub sub: String,
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    pub jti: uuid::Uuid,
    pub client_id: String,
    pub scope: Scope,
    /// The grant that the token belongs to; absent where the client acts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<uuid::Uuid>,
    pub status: StatusClaim,
}

/// Where to learn whether the token still holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatusClaim {
    pub status_list: StatusListReference,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatusListReference {
    pub idx: i64,
    pub uri: String,
}
