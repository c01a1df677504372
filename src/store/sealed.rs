//! Every sealed value of the database, wherever it is kept. `keys` opens them; here is only where they are.

use std::fmt;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::{sealed_secrets, signing_keys};
use super::{Connection, Error};

/// A column of a row that holds a sealed value.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    SigningKey { kid: String },
    Secret { name: String, version: i64 },
}

impl Place {
    pub fn table(&self) -> &'static str {
        match self {
            Self::SigningKey { .. } => "signing_keys",
            Self::Secret { .. } => "sealed_secrets",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SigningKey { kid } => write!(f, "signing_keys, kid {kid}"),
            Self::Secret { name, version } => write!(f, "sealed_secrets, {name} version {version}"),
        }
    }
}

/// A sealed value and where it is.
#[derive(Clone)]
pub struct SealedValue {
    pub place: Place,
    pub sealed: Vec<u8>,
}

/// Every sealed value: the signing keys first.
pub async fn all(connection: &mut Connection) -> Result<Vec<SealedValue>, Error> {
    let keys =
        signing_keys::table.select((signing_keys::kid, signing_keys::sealed_private_key)).order(signing_keys::kid);
    let secrets = sealed_secrets::table
        .select((sealed_secrets::name, sealed_secrets::version, sealed_secrets::ciphertext))
        .order((sealed_secrets::name, sealed_secrets::version));
    let keys = on!(&mut *connection, c => keys.load::<(String, Vec<u8>)>(c))?;
    let secrets = on!(connection, c => secrets.load::<(String, i64, Vec<u8>)>(c))?;
    let keys = keys.into_iter().map(|(kid, sealed)| SealedValue { place: Place::SigningKey { kid }, sealed });
    let secrets = secrets
        .into_iter()
        .map(|(name, version, sealed)| SealedValue { place: Place::Secret { name, version }, sealed });
    Ok(keys.chain(secrets).collect())
}

/// Puts `new` where `old` is. `false` where it no longer is: somebody else has replaced or removed it.
pub async fn replace(connection: &mut Connection, place: &Place, old: &[u8], new: &[u8]) -> Result<bool, Error> {
    let replaced = match place {
        Place::SigningKey { kid } => {
            let row = signing_keys::table.find(kid).filter(signing_keys::sealed_private_key.eq(old));
            on!(connection, c => diesel::update(row).set(signing_keys::sealed_private_key.eq(new)).execute(c))?
        }
        Place::Secret { name, version } => {
            let row = sealed_secrets::table.find((name, version)).filter(sealed_secrets::ciphertext.eq(old));
            on!(connection, c => diesel::update(row).set(sealed_secrets::ciphertext.eq(new)).execute(c))?
        }
    };
    Ok(replaced == 1)
}
