//! The first administrator of the administration API. That API is one of those that trust the issuer: a resource server with
//! an audience of its own, and whoever administers it is a client, or a user, that may have its scopes.

use super::clients::{ClientView, NewClient};
use super::operation::Access;
use super::resource_servers::{NewResourceServer, ResourceServerChange};
use super::{Admin, Done, Error};
use crate::protocol::client::GrantType;
use crate::protocol::issuer::Issuer;
use crate::protocol::jwk::Algorithm;
use crate::protocol::scope::Scope;

/// The audience of access tokens for the administration API.
pub fn audience(issuer: &Issuer) -> String {
    issuer.url("/admin")
}

impl Admin {
    /// Registers the administration API, where it is not yet, and a client with all of its scopes. Answers the client's
    /// secret, once.
    pub async fn bootstrap(&self, issuer: &Issuer, client_id: &str) -> Result<Done<ClientView>, Error> {
        let audience = audience(issuer);
        let scope = every_scope()?;
        match self.resource_server(&audience).await {
            Ok(server) if scope.is_within(&server.scope) => {}
            Ok(_) => {
                let change = ResourceServerChange { scope: Some(scope.clone()), ..ResourceServerChange::default() };
                self.update_resource_server(&audience, change).await?;
            }
            Err(Error::NotFound { .. }) => {
                let new = NewResourceServer {
                    audience: audience.clone(),
                    scope: scope.clone(),
                    access_token_lifetime: None,
                    signing_algorithm: Algorithm::ES256,
                };
                match self.create_resource_server(new).await {
                    // Nobody introspects for it: the secret is needed by nobody.
                    Ok(_) | Err(Error::Exists { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
            Err(other) => return Err(other),
        }
        let new = NewClient::new(client_id, &[GrantType::ClientCredentials], &[&audience]);
        let new = NewClient { scope: Some(scope), ..new };
        self.create_client(new).await.map_err(|error| match error {
            Error::Exists { .. } => Error::Refused(format!(
                "there is a client {client_id} already: `signet client rotate-secret {client_id}` gives it a new secret, or \
                 name another with --client-id"
            )),
            other => other,
        })
    }
}

fn every_scope() -> Result<Scope, Error> {
    let tokens = Access::ALL.map(Access::scope).join(" ");
    tokens.parse().map_err(|error| Error::invalid("scope", format!("is malformed: {error}")))
}
