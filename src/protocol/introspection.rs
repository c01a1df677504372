//! The introspection response (RFC 7662 §2.2).

use serde::Serialize;

use super::scope::Scope;

/// What a caller learns. Inactive tokens of whatever kind give `{"active":false}` and nothing else.
#[derive(Debug, Serialize)]
pub struct IntrospectionResponse {
    pub active: bool,
    #[serde(flatten)]
    pub token: Option<ActiveToken>,
}

/// An active token. Times are seconds since 1970.
#[derive(Debug, Serialize)]
pub struct ActiveToken {
    pub scope: Scope,
    pub client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    pub token_type: &'static str,
    pub exp: i64,
    pub iat: i64,
    pub sub: String,
    pub aud: String,
    pub iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<uuid::Uuid>,
}

impl IntrospectionResponse {
    pub const INACTIVE: Self = Self { active: false, token: None };

    pub fn active(token: ActiveToken) -> Self {
        Self { active: true, token: Some(token) }
    }
}
