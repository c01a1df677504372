//! Authorization server metadata (RFC 8414 §2). It lists what works, and nothing else.

use serde::Serialize;

use super::client::{AuthMethod, GrantType};
use super::issuer::Issuer;

#[derive(Debug, Serialize)]
pub struct Metadata {
    pub issuer: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    /// Required by RFC 8414; empty, since no endpoint here answers an authorization request.
    pub response_types_supported: [&'static str; 0],
    pub grant_types_supported: &'static [GrantType],
    pub token_endpoint_auth_methods_supported: &'static [AuthMethod],
    pub introspection_endpoint: String,
    pub introspection_endpoint_auth_methods_supported: &'static [AuthMethod],
    pub revocation_endpoint: String,
    pub revocation_endpoint_auth_methods_supported: &'static [AuthMethod],
    /// Token Status List draft-21 §9.2.
    pub status_list_aggregation_endpoint: String,
}

/// An API and a confidential client introspect; a public client cannot.
const INTROSPECTION_METHODS: &[AuthMethod] = &[AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];

impl Metadata {
    pub fn of(issuer: &Issuer) -> Self {
        Self {
            issuer: issuer.as_str().to_owned(),
            token_endpoint: issuer.url("/oauth2/token"),
            jwks_uri: issuer.url("/.well-known/jwks.json"),
            response_types_supported: [],
            grant_types_supported: GrantType::ALL,
            token_endpoint_auth_methods_supported: AuthMethod::ALL,
            introspection_endpoint: issuer.url("/oauth2/introspect"),
            introspection_endpoint_auth_methods_supported: INTROSPECTION_METHODS,
            revocation_endpoint: issuer.url("/oauth2/revoke"),
            revocation_endpoint_auth_methods_supported: AuthMethod::ALL,
            status_list_aggregation_endpoint: issuer.url("/status-lists"),
        }
    }
}
