//! Secrets of the issuer itself, sealed under the master key: the MAC key of refresh tokens, and the canary that tells
//! a wrong master key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::sealed_secrets;
use super::{Bind, Connection, Error};

/// A row of `sealed_secrets`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = sealed_secrets)]
pub struct SealedSecret {
    pub name: String,
    pub version: i64,
    pub ciphertext: Vec<u8>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
}

pub async fn insert(connection: &mut Connection, secret: &SealedSecret) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(sealed_secrets::table).values(secret.clone()).execute(c))?;
    Ok(())
}

pub async fn all(connection: &mut Connection) -> Result<Vec<SealedSecret>, Error> {
    Ok(on!(connection, c => sealed_secrets::table
        .order((sealed_secrets::name, sealed_secrets::version))
        .select(SealedSecret::as_select()).load(c))?)
}
