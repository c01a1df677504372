//! Minting access tokens: JWTs as RFC 9068 has them, signed and never stored.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::target::Target;
use super::token_events::Occasion;
use super::{Error, Provider};
use crate::keys::Typ;
use crate::keys::ring::{Ring, RingKey};
use crate::protocol::jwk::Algorithm;
use crate::protocol::scope::Scope;
use crate::protocol::token::{AccessTokenClaims, StatusClaim, StatusListReference, TokenResponse};
use crate::secret::Secret;
use crate::status::{self, StatusIndex};
use crate::store::clients::Client;
use crate::store::resource_servers::ResourceServer;
use crate::store::settings::Settings;

/// Whom a token speaks for.
pub(super) enum Subject<'a> {
    /// The client itself, in a token that this key signs.
    Client { kid: String },
    /// A user, through a grant that ends at `until`.
    Grant { id: Uuid, user: Uuid, until: DateTime<Utc>, refresh_token: Option<&'a Secret> },
}

impl Provider {
    pub(super) fn issue(
        &self,
        client: &Client,
        subject: &Subject<'_>,
        target: &Target,
        (index, occasion): (StatusIndex, Occasion<'_>),
    ) -> Result<TokenResponse, Error> {
        let now = self.clock.now();
        let mut lifetime = lifetime(client, &target.server, occasion.settings);
        let (sub, grant_id, refresh_token) = match subject {
            Subject::Client { .. } => (client.client_id.clone(), None, None),
            Subject::Grant { id, user, until, refresh_token } => {
                // No access token outlives its grant.
                lifetime = lifetime.min(*until - now);
                (user.to_string(), Some(*id), refresh_token.map(|token| token.expose().to_owned()))
            }
        };
        let claims = AccessTokenClaims {
            iss: self.issuer.as_str().to_owned(),
            sub,
            aud: target.server.audience.clone(),
            exp: (now + lifetime).timestamp(),
            iat: now.timestamp(),
            jti: self.entropy.uuid(),
            client_id: client.client_id.clone(),
            scope: target.scope.clone(),
            grant_id,
            status: StatusClaim {
                status_list: StatusListReference { idx: index.index, uri: self.issuer.url(&status::path(index.list)) },
            },
        };
        let ring = self.keys.ring();
        let key = match subject {
            Subject::Client { kid } => ring
                .verifying_key(kid, now)
                .ok_or_else(|| Error::Unavailable(format!("signing key {kid} was revoked a moment ago")))?,
            Subject::Grant { .. } => signing_key(&ring, target.server.algorithm_at(now), now)?,
        };
        let access_token = key.sign_jwt(Typ::AccessToken, &claims)?;
        self.note_token(&claims, occasion);
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: claims.exp - claims.iat,
            refresh_token,
            scope: Scope::clone(&target.scope),
        })
    }

    /// The key that signs tokens for the target now, and its algorithm.
    pub(super) fn signing_kid(&self, target: &Target) -> Result<(Algorithm, String), Error> {
        let now = self.clock.now();
        let algorithm = target.server.algorithm_at(now);
        let ring = self.keys.ring();
        Ok((algorithm, signing_key(&ring, algorithm, now)?.kid().to_owned()))
    }
}

fn signing_key(ring: &Ring, algorithm: Algorithm, now: DateTime<Utc>) -> Result<&RingKey, Error> {
    ring.signing_key(algorithm, now).ok_or_else(|| Error::Internal(format!("no active {algorithm} key")))
}

/// The shortest of client, resource server and default that are set.
pub(super) fn lifetime(client: &Client, server: &ResourceServer, settings: &Settings) -> Duration {
    let set = [client.access_token_lifetime, server.access_token_lifetime];
    let shortest = set.into_iter().flatten().fold(settings.access_token_lifetime, i64::min);
    Duration::seconds(shortest)
}
