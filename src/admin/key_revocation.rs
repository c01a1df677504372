//! Revoking a signing key: what it would end, and doing it. The key, its successor, the status bits of its tokens and the
//! audit event are one transaction.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::lifetime::spelled;
use super::settings::longest_access_token_lifetime;
use super::signing_keys::StagedView;
use super::{Admin, Done, Error};
use crate::keys::lifecycle::SKEW;
use crate::keys::{Revocation, RevokedKey};
use crate::protocol::jwk::Algorithm;
use crate::status::{Moment, revoke_key_tokens};
use crate::store::signing_keys::{self, SigningKey};
use crate::store::status::{self, StatusLease};
use crate::store::{Connection, Exclusive, grants, settings};

/// What a revocation would end: for the administrator to confirm.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyRevocationPlan {
    pub kid: String,
    pub alg: Algorithm,
    pub state: String,
    /// The time from which on issued tokens may be unexpired and signed with the key.
    pub since: DateTime<Utc>,
    /// Grants that got an access token since then, whichever key signed it. They live on; their access tokens end.
    pub grants: i64,
    /// At most so many unexpired tokens that clients took for themselves: the size of the blocks that their indexes are
    /// from.
    pub client_tokens_at_most: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyRevocationView {
    pub kid: String,
    pub alg: Algorithm,
    pub revoked_at: DateTime<Utc>,
    /// What signs in its stead; absent where it was not the key that signed.
    pub successor: Option<StagedView>,
    /// Grants whose former access tokens the status lists show as revoked.
    pub grants: usize,
}

impl Admin {
    /// # Errors
    /// When there is no such key, or it is revoked already.
    pub async fn plan_key_revocation(&self, kid: &str) -> Result<KeyRevocationPlan, Error> {
        self.keys.reload().await?;
        let now = self.clock.now();
        let mut connection = self.store.reading().await?;
        let key = find(&mut connection, kid).await?;
        if let Some(at) = key.revoked_at {
            return Err(already(kid, at));
        }
        let settings = settings::load(&mut connection).await?;
        let longest = longest_access_token_lifetime(&mut connection, &settings).await?.seconds;
        let since = key.active_at.max(now - Duration::seconds(longest));
        let leases = status::leases_of_key(&mut connection, kid).await?;
        Ok(KeyRevocationPlan {
            kid: kid.to_owned(),
            alg: key.algorithm.0,
            state: self.keys.ring().state(kid, now).map(|state| state.to_string()).unwrap_or_default(),
            since,
            grants: grants::count_issued_since(&mut connection, since).await?,
            client_tokens_at_most: handed_out_at_most(&leases, since),
        })
    }

    /// Withdraws a key at once: for when its private half may be in foreign hands.
    pub async fn revoke_key(&self, kid: &str) -> Result<Done<KeyRevocationView>, Error> {
        let algorithm = find(&mut self.store.reading().await?, kid).await?.algorithm.0;
        let prepared = self.keys.prepare(algorithm)?;
        let revoked = async |connection: &mut Connection| {
            let key = match self.keys.revoke(connection, (kid, &prepared), &self.author()).await? {
                Revocation::Done(key) => key,
                Revocation::Unknown => return Err(unknown(kid)),
                Revocation::Already(at) => return Err(already(kid, at)),
            };
            let settings = settings::load(connection).await?;
            let moment = Moment { now: key.revoked_at, retention: settings.retention_at(key.revoked_at) };
            // A retried refresh gives a token later than the grant's row says; instances' clocks differ.
            let since =
                key.active_at.max(moment.now - moment.retention) - Duration::seconds(settings.retry_window) - SKEW;
            let tokens = revoke_key_tokens(connection, &self.entropy, (kid, since), moment).await?;
            let details = json!({
                "alg": key.algorithm,
                "successor": key.successor.as_ref().map(|successor| &successor.kid),
                "grants": tokens.grants,
            });
            self.audit(connection, "signing_key.revoke", &format!("signing_key:{kid}"), details).await?;
            let notes = caveats(&key, settings.jwks_max_age);
            let RevokedKey { kid, algorithm: alg, revoked_at, successor, .. } = key;
            let successor = successor.map(StagedView::from);
            let view = KeyRevocationView { kid, alg, revoked_at, successor, grants: tokens.grants };
            Ok(Done { notes, ..Done::plain(view) })
        };
        self.store.exclusively(Exclusive::Rotation, revoked).await
    }
}

async fn find(connection: &mut Connection, kid: &str) -> Result<SigningKey, Error> {
    // No row has such a name, and PostgreSQL would fail on a NUL.
    let found = if kid.contains('\0') { None } else { signing_keys::find(connection, kid).await? };
    found.ok_or_else(|| unknown(kid))
}

fn unknown(kid: &str) -> Error {
    Error::NotFound { kind: "key", name: kid.to_owned() }
}

fn already(kid: &str, at: DateTime<Utc>) -> Error {
    Error::Refused(format!("key {kid} was revoked already, at {}", at.format("%FT%TZ")))
}

/// Blocks that were leased since, and for each client the one before, which may have been open then.
fn handed_out_at_most(leases: &[StatusLease], since: DateTime<Utc>) -> i64 {
    let mut before: HashMap<_, &StatusLease> = HashMap::new();
    let mut sum = 0;
    for lease in leases {
        if lease.leased_at >= since {
            sum += lease.size;
        } else {
            let last = before.entry(lease.client_id).or_insert(lease);
            if lease.leased_at > last.leased_at {
                *last = lease;
            }
        }
    }
    sum + before.values().map(|lease| lease.size).sum::<i64>()
}

fn caveats(key: &RevokedKey, max_age: i64) -> Vec<String> {
    let until = (key.revoked_at + Duration::seconds(max_age)).format("%FT%TZ");
    let mut notes = vec![format!(
        "APIs that keep the key set accept tokens of the revoked key for up to {} (jwks_max_age), until {until}; the status \
         lists show those that were issued here as revoked, but know nothing of forged ones. Restart APIs that must not \
         wait, or let them introspect",
        spelled(max_age)
    )];
    if let Some(successor) = &key.successor {
        notes.push(format!(
            "key {} signs from now on: APIs that keep the key set and do not fetch it when they meet an unknown kid refuse \
             new tokens for as long",
            successor.kid
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn lease(client: u128, second: i64, size: i64) -> StatusLease {
        StatusLease {
            id: Uuid::nil(),
            status_list_id: 1,
            client_id: Some(Uuid::from_u128(client)),
            first_index: 0,
            size,
            leased_at: DateTime::from_timestamp(second, 0).unwrap(),
            kid: None,
        }
    }

    #[test]
    fn live_tokens_are_at_most_those_of_blocks_that_were_open_since() {
        let since = DateTime::from_timestamp(100, 0).unwrap();
        let leases = [lease(1, 90, 64), lease(1, 10, 1000), lease(1, 100, 256), lease(2, 5, 64)];
        assert_eq!(handed_out_at_most(&leases, since), 64 + 256 + 64);
        assert_eq!(handed_out_at_most(&[], since), 0);
    }
}
