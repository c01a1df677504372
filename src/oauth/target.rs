//! Which API a token is for and what it may do there (RFC 8707 §2, RFC 6749 §3.3): the policy of client and API is applied
//! anew for each token, so that what was taken from a client is gone from its next one.

use std::sync::Arc;

use super::{Error, Provider};
use crate::protocol::scope::Scope;
use crate::protocol::token::Requested;
use crate::store::clients::Client;
use crate::store::resource_servers::ResourceServer;

/// One API and the scope there.
pub struct Target {
    pub server: Arc<ResourceServer>,
    pub scope: Scope,
}

impl Provider {
    /// The target of a token whose upper bounds are `audiences` (the first is the default) and `scope`, both the client's
    /// own or its grant's.
    pub(super) async fn target(
        &self,
        client: &Client,
        (audiences, scope): (&[String], &Scope),
        requested: &Requested,
    ) -> Result<Target, Error> {
        let audience = match requested.resources.as_slice() {
            [] => audiences.first().ok_or(Error::InvalidTarget("the client has no audience"))?,
            [one] if audiences.contains(one) => one,
            [_] => return Err(Error::InvalidTarget("not an audience of the client or grant")),
            _ => return Err(Error::InvalidTarget("a token is for one resource")),
        };
        if !client.audiences.0.contains(audience) {
            return Err(Error::InvalidTarget("no longer an audience of the client"));
        }
        let server = self.directory.resource_server(audience).await?;
        let server = server.filter(|server| server.disabled_at.is_none());
        let server = server.ok_or(Error::InvalidTarget("the resource server is missing or disabled"))?;
        let within = scope.intersection(&client.scope.0).intersection(&server.scope.0);
        let scope = match &requested.scope {
            None => within,
            Some(requested) if requested.is_within(&within) => requested.clone(),
            Some(_) => return Err(Error::InvalidScope("beyond what client, grant and resource server allow")),
        };
        Ok(Target { server, scope })
    }
}
