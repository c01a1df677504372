//! The settings that an administrator changes at run time: one row.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::settings;
use super::{Connection, Error};

/// The row of `settings`. Every value is in seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Insertable, PartialEq, Queryable, Selectable, AsChangeset, serde::Serialize)]
#[diesel(table_name = settings)]
pub struct Settings {
    #[serde(skip)]
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
}

pub async fn load(connection: &mut Connection) -> Result<Settings, Error> {
    Ok(on!(connection, c => settings::table.select(Settings::as_select()).first(c))?)
}

pub async fn store(connection: &mut Connection, settings: &Settings) -> Result<(), Error> {
    on!(connection, c => diesel::update(settings::table).set(settings).execute(c))?;
    Ok(())
}
