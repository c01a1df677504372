//! Signing keys, their private halves sealed. A key's state is not stored: it follows from these times.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::signing_keys;
use super::{Bind, Connection, Error, Json, Spelled};
use crate::protocol::jwk::{Algorithm, PublicJwk};

/// A row of `signing_keys`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
pub struct SigningKey {
    pub kid: String,
    pub algorithm: Spelled<Algorithm>,
    pub public_jwk: Json<PublicJwk>,
    pub sealed_private_key: Vec<u8>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub active_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Of a key that never signs here: when the issuer that it comes from stopped signing with it.
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was recorded that the key has begun to sign.
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub activation_noted_at: Option<DateTime<Utc>>,
}

pub async fn insert(connection: &mut Connection, key: &SigningKey) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(signing_keys::table).values(key.clone()).execute(c))?;
    Ok(())
}

/// Every key, the oldest first.
pub async fn all(connection: &mut Connection) -> Result<Vec<SigningKey>, Error> {
    Ok(on!(connection, c => signing_keys::table
        .order((signing_keys::active_at, signing_keys::kid))
        .select(SigningKey::as_select()).load(c))?)
}

pub async fn find(connection: &mut Connection, kid: &str) -> Result<Option<SigningKey>, Error> {
    Ok(on!(connection, c => signing_keys::table.find(kid).select(SigningKey::as_select()).get_result(c)).optional()?)
}

/// Whether the key was revoked. A key that is gone was not.
pub async fn is_revoked(connection: &mut Connection, kid: &str) -> Result<bool, Error> {
    let revoked = signing_keys::table.find(kid).filter(signing_keys::revoked_at.is_not_null()).count();
    Ok(on!(connection, c => revoked.get_result::<i64>(c))? > 0)
}

pub async fn set_revoked_at(connection: &mut Connection, kid: &str, at: DateTime<Utc>) -> Result<(), Error> {
    on!(connection, c => diesel::update(signing_keys::table.find(kid)).set(signing_keys::revoked_at.eq(Bind(at))).execute(c))?;
    Ok(())
}

pub async fn set_active_at(connection: &mut Connection, kid: &str, at: DateTime<Utc>) -> Result<(), Error> {
    on!(connection, c => diesel::update(signing_keys::table.find(kid)).set(signing_keys::active_at.eq(Bind(at))).execute(c))?;
    Ok(())
}

/// Keys that sign or have signed, of which that is not recorded yet.
pub async fn unnoted(connection: &mut Connection, now: DateTime<Utc>) -> Result<Vec<SigningKey>, Error> {
    Ok(on!(connection, c => signing_keys::table
        .filter(signing_keys::activation_noted_at.is_null())
        .filter(signing_keys::active_at.le(Bind(now)))
        .filter(signing_keys::revoked_at.is_null())
        .filter(signing_keys::retired_at.is_null())
        .order((signing_keys::active_at, signing_keys::kid))
        .select(SigningKey::as_select()).load(c))?)
}

/// `false` where it was recorded already.
pub async fn note_activation(connection: &mut Connection, kid: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = signing_keys::table.find(kid).filter(signing_keys::activation_noted_at.is_null());
    let change = signing_keys::activation_noted_at.eq(Bind(now));
    Ok(on!(connection, c => diesel::update(row).set(change).execute(c))? == 1)
}

/// Whether there was such a key.
pub async fn delete(connection: &mut Connection, kid: &str) -> Result<bool, Error> {
    Ok(on!(connection, c => diesel::delete(signing_keys::table.find(kid)).execute(c))? > 0)
}
