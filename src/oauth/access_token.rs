//! Whether a presented access token is one of ours and still holds (RFC 9068 §4, RFC 8725).

use chrono::{DateTime, Utc};

use super::{Error, Provider};
use crate::keys::{Reject, State, Typ, UnverifiedToken};
use crate::protocol::token::AccessTokenClaims;
use crate::status::StatusIndex;
use crate::store;
use crate::store::grants;

/// Why a token does not verify.
#[derive(Debug, thiserror::Error)]
pub enum Unverified {
    #[error(transparent)]
    Rejected(#[from] Reject),
    #[error("its key {kid} is {state}")]
    Key { kid: String, state: State },
    /// Whatever name it gave, which is not repeated: it is somebody's text.
    #[error("its key is unknown")]
    UnknownKey,
    #[error("its typ is not at+jwt: it is not an access token")]
    Type,
    #[error("its claims are not those of an access token: {0}")]
    Claims(String),
    #[error("its issuer is {0}, not this one")]
    Issuer(String),
    #[error("it expired {0} seconds ago")]
    Expired(i64),
}

/// Whether a verified token still holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    Active {
        username: Option<String>,
    },
    /// Its grant or itself was revoked then.
    Revoked(DateTime<Utc>),
    /// Its grant, user, client or resource server is gone or disabled.
    Gone(&'static str),
}

impl Provider {
    /// The claims of a token that this issuer signed and that has not expired. Nothing of the header decides anything:
    /// the key is found in memory by its exact name, and says which algorithm it is for.
    pub fn verify_access_token(&self, presented: &str) -> Result<AccessTokenClaims, Unverified> {
        let claims = self.signed_claims(presented)?;
        let now = self.clock.now().timestamp();
        if claims.exp <= now {
            return Err(Unverified::Expired(now - claims.exp));
        }
        Ok(claims)
    }

    /// The claims of a token that this issuer signed, expired or not.
    pub fn signed_claims(&self, presented: &str) -> Result<AccessTokenClaims, Unverified> {
        let token = UnverifiedToken::parse(presented)?;
        let ring = self.keys.ring();
        let now = self.clock.now();
        let kid = token.kid();
        let Some(key) = ring.verifying_key(kid, now) else {
            let state = ring.state(kid, now).ok_or(Unverified::UnknownKey)?;
            return Err(Unverified::Key { kid: kid.to_owned(), state });
        };
        let payload = token.verify(key.verifying())?;
        if !token.is_typ(Typ::AccessToken) {
            return Err(Unverified::Type);
        }
        let claims: AccessTokenClaims =
            serde_json::from_slice(payload).map_err(|error| Unverified::Claims(error.to_string()))?;
        if claims.iss != self.issuer.as_str() {
            return Err(Unverified::Issuer(claims.iss));
        }
        Ok(claims)
    }

    /// The present state of a verified token, from the database.
    pub async fn standing(&self, claims: &AccessTokenClaims) -> Result<Standing, Error> {
        let client = self.directory.client(&claims.client_id).await?;
        let Some(client) = client.filter(|known| known.client.disabled_at.is_none()) else {
            return Ok(Standing::Gone("the client is disabled or gone"));
        };
        let server = self.directory.resource_server(&claims.aud).await?;
        if server.is_none_or(|server| server.disabled_at.is_some()) {
            return Ok(Standing::Gone("the resource server is disabled or gone"));
        }
        let mut connection = self.store.reading().await?;
        let Some(id) = claims.grant_id else {
            let Some(status) = self.status_of(claims) else {
                return Ok(Standing::Gone("its status list is not one of this issuer's"));
            };
            let revoked = store::status::revoked_at(&mut connection, status.list, status.index).await?;
            return Ok(revoked.map_or(Standing::Active { username: None }, Standing::Revoked));
        };
        let found = grants::find_with_user(&mut connection, id).await?;
        let found = found.filter(|(grant, _)| grant.client_id == client.client.id);
        let Some((grant, (username, user_disabled_at))) = found else {
            return Ok(Standing::Gone("the grant is gone"));
        };
        Ok(match (grant.revoked_at, user_disabled_at) {
            (Some(at), _) => Standing::Revoked(at),
            (None, Some(_)) => Standing::Gone("the user is disabled"),
            (None, None) => Standing::Active { username: Some(username) },
        })
    }

    /// The bit that the token's status claim names, if it is in one of our lists.
    pub fn status_of(&self, claims: &AccessTokenClaims) -> Option<StatusIndex> {
        let reference = &claims.status.status_list;
        let list = reference.uri.strip_prefix(&self.issuer.url("/status-lists/"))?.parse().ok()?;
        Some(StatusIndex { list, index: reference.idx })
    }
}
