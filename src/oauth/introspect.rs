//! Token introspection (RFC 7662). A caller learns of tokens that are its own business: a resource server of those for its
//! audience, a confidential client of those issued to it. All others are inactive to it.

use chrono::{DateTime, Utc};

use super::access_token::Standing;
use super::client_authentication::{AuthenticatedClient, PresentedCredentials};
use super::error::ClientRefusal;
use super::{Error, Provider};
use crate::protocol::form::Form;
use crate::protocol::introspection::{ActiveToken, IntrospectionResponse};
use crate::secret::{Secret, SecretHash};
use crate::store::grants;
use crate::store::resource_servers::ResourceServer;

/// Who asks.
enum Caller {
    ResourceServer { audience: String },
    Client { id: uuid::Uuid, client_id: String },
}

impl Provider {
    pub async fn introspect(
        &self,
        presented: &PresentedCredentials,
        form: &Form,
    ) -> Result<IntrospectionResponse, Error> {
        let caller = self.introspecting(presented).await?;
        let token = Secret::new(form.required("token")?);
        // `token_type_hint` is only a hint (RFC 7662 §2.1), and the two kinds cannot be taken for each other.
        let found = match self.verify_access_token(token.expose()) {
            Ok(claims) => {
                let own = match &caller {
                    Caller::ResourceServer { audience } => claims.aud == *audience,
                    Caller::Client { client_id, .. } => claims.client_id == *client_id,
                };
                match self.standing(&claims).await? {
                    Standing::Active { username } if own => Some(ActiveToken {
                        scope: claims.scope,
                        client_id: claims.client_id,
                        username,
                        token_type: "Bearer",
                        exp: claims.exp,
                        iat: claims.iat,
                        sub: claims.sub,
                        aud: claims.aud,
                        iss: claims.iss,
                        jti: Some(claims.jti),
                    }),
                    _ => None,
                }
            }
            Err(why) => {
                tracing::debug!(%why, "introspected what does not verify as an access token");
                self.introspect_refresh_token(&caller, &token).await?
            }
        };
        Ok(found.map_or(IntrospectionResponse::INACTIVE, IntrospectionResponse::active))
    }

    /// A refresh token is its client's business alone.
    async fn introspect_refresh_token(&self, caller: &Caller, token: &Secret) -> Result<Option<ActiveToken>, Error> {
        let (Caller::Client { id, client_id }, Some(parts)) = (caller, self.secrets.open_refresh_token(token)) else {
            return Ok(None);
        };
        let grant = grants::find(&mut self.store.reading().await?, parts.grant).await?;
        let now = self.clock.now();
        let live =
            grant.filter(|grant| grant.client_id == *id && grant.generation == parts.generation && grant.is_live(now));
        Ok(live.map(|grant| ActiveToken {
            scope: grant.scope.0,
            client_id: client_id.clone(),
            username: None,
            token_type: "refresh_token",
            exp: grant.expires_at.min(grant.idle_expires_at).timestamp(),
            iat: grant.rotated_at.unwrap_or(grant.created_at).timestamp(),
            sub: grant.user_id.to_string(),
            aud: self.issuer.as_str().to_owned(),
            iss: self.issuer.as_str().to_owned(),
            jti: None,
        }))
    }

    /// Authenticates a caller that may introspect. Public clients may not (RFC 7662 §2.1 asks for authentication).
    async fn introspecting(&self, presented: &PresentedCredentials) -> Result<Caller, Error> {
        // A name is a client's or a resource server's, never both: a client that is known and proves it is not looked for as the
        // other. Whoever proves nothing costs the same looks into the database, whatever name it is.
        let known = self.authenticate_from_memory(presented).filter(AuthenticatedClient::is_confidential);
        let client = match known {
            Some(client) => client,
            None => {
                if let Some(server) = self.directory.resource_server(&presented.identifier).await? {
                    return self.authenticate_resource_server(presented, &server);
                }
                self.authenticate(presented).await?
            }
        };
        if !client.is_confidential() {
            return Err(Error::InvalidClient(ClientRefusal::Public));
        }
        let client = client.client();
        Ok(Caller::Client { id: client.id, client_id: client.client_id.clone() })
    }

    fn authenticate_resource_server(
        &self,
        presented: &PresentedCredentials,
        server: &ResourceServer,
    ) -> Result<Caller, Error> {
        if presented.secret().is_none() {
            return Err(Error::InvalidClient(ClientRefusal::Method));
        }
        match (server.has_secret(presented, self.clock.now()), server.disabled_at) {
            (false, _) => Err(Error::InvalidClient(ClientRefusal::WrongSecret)),
            (true, Some(_)) => Err(Error::InvalidClient(ClientRefusal::Disabled)),
            (true, None) => Ok(Caller::ResourceServer { audience: server.audience.clone() }),
        }
    }
}

impl ResourceServer {
    /// Whether the credentials are of one of its live secrets. Compares both, each in constant time.
    pub(super) fn has_secret(&self, presented: &PresentedCredentials, now: DateTime<Utc>) -> bool {
        let Some(secret) = presented.secret() else { return false };
        let current = SecretHash::from_stored(self.secret_hash.clone()).matches(secret);
        let previous = match (&self.previous_secret_hash, self.previous_secret_expires_at) {
            (Some(hash), Some(end)) => SecretHash::from_stored(hash.clone()).matches(secret) & (now < end),
            _ => false,
        };
        current | previous
    }
}
