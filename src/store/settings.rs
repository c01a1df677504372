//! The settings that an administrator changes at run time: one row.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::settings;
use super::{Bind, Connection, Error};

/// The row of `settings`. Every number but the limits is in seconds.
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    Hash,
    Insertable,
    PartialEq,
    Queryable,
    Selectable,
    AsChangeset,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[diesel(table_name = settings, treat_none_as_null = true)]
pub struct Settings {
    #[serde(skip, default = "only_row")]
    pub id: i64,
    /// Of an access token for which neither client nor resource server says less.
    pub access_token_lifetime: i64,
    /// How long a grant lives without a refresh.
    pub refresh_idle_lifetime: i64,
    /// How long a grant lives at all.
    pub refresh_absolute_lifetime: i64,
    /// How long after a rotation the former refresh token gets the same successor again.
    pub retry_window: i64,
    /// From one signing key to the next.
    pub key_rotation_interval: i64,
    /// How long a key is in the set before it signs.
    pub key_publication_period: i64,
    /// How long a key stays in the set after its last signature: the longest access token lifetime and a leeway.
    pub key_retention: i64,
    /// How long a verifier may keep the key set.
    pub jwks_max_age: i64,
    /// A longer `key_retention` of before a change: see [`retention_at`](Self::retention_at).
    #[serde(skip)]
    pub former_key_retention: Option<i64>,
    #[serde(skip)]
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub former_key_retention_until: Option<DateTime<Utc>>,
    /// See [`publication_at`](Self::publication_at).
    #[serde(skip)]
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub former_key_sets_until: Option<DateTime<Utc>>,
    /// How many live grants a user may have at a client that says nothing else: one more login ends the oldest.
    pub grant_limit: i64,
    /// Whether password logins are counted and braked.
    pub login_throttling: bool,
    /// How many logins may fail under one name before the next ones have to wait, wherever they come from.
    pub login_limit_per_name: i64,
    /// The same from one address.
    pub login_limit_per_address: i64,
    /// The same under one name from one address.
    pub login_limit_per_pair: i64,
    /// The same where the user has logged in from the address before; then this one alone counts.
    pub login_limit_per_known_pair: i64,
    /// How long a failed login counts.
    pub login_window: i64,
    /// How long logins have to wait at most.
    pub login_longest_block: i64,
    /// How long an audit event is kept.
    pub audit_retention: i64,
    /// Whether every token that is issued, refreshed or given again is an audit event.
    pub audit_tokens: bool,
}

/// The identifier of the one row.
fn only_row() -> i64 {
    1
}

impl Settings {
    /// How long a key stays in the set after its last signature, and a revocation in the lists. After `key_retention` was
    /// lowered, the longer one holds on until the last token that was issued under it has expired.
    pub fn retention_at(&self, now: DateTime<Utc>) -> Duration {
        let former = match (self.former_key_retention, self.former_key_retention_until) {
            (Some(former), Some(until)) if now < until => former,
            _ => 0,
        };
        Duration::seconds(self.key_retention.max(former))
    }

    /// How long a key that is made at `now` is published before it signs. After `jwks_max_age` was lowered, at least until
    /// nobody may hold a key set any more that was fetched under the longer one.
    pub fn publication_at(&self, now: DateTime<Utc>) -> Duration {
        let held = self.former_key_sets_until.map_or(Duration::zero(), |until| until - now);
        Duration::seconds(self.key_publication_period).max(held)
    }
}

pub async fn load(connection: &mut Connection) -> Result<Settings, Error> {
    Ok(on!(connection, c => settings::table.select(Settings::as_select()).get_result(c))?)
}

pub async fn store(connection: &mut Connection, settings: &Settings) -> Result<(), Error> {
    on!(connection, c => diesel::update(settings::table).set(*settings).execute(c))?;
    Ok(())
}
