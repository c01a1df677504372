//! Every sealed value of the database, wherever it is kept. `keys` opens them; here is only where they are.

use std::fmt;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::on;
use super::schema::{acme_accounts, acme_certificates, sealed_secrets, signing_keys, webhooks};
use super::{Bind, Connection, Error};

/// A column of a row that holds a sealed value.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    SigningKey {
        kid: String,
    },
    Secret {
        name: String,
        version: i64,
    },
    /// What is sent to a webhook, by its name.
    Authorization {
        webhook: String,
    },
    /// The private key of the account at a certificate authority.
    AcmeAccount {
        directory: String,
    },
    /// The private key of an ordered certificate.
    Certificate {
        id: Uuid,
    },
}

impl Place {
    pub fn table(&self) -> &'static str {
        match self {
            Self::SigningKey { .. } => "signing_keys",
            Self::Secret { .. } => "sealed_secrets",
            Self::Authorization { .. } => "webhooks",
            Self::AcmeAccount { .. } => "acme_accounts",
            Self::Certificate { .. } => "acme_certificates",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SigningKey { kid } => write!(f, "signing_keys, kid {kid}"),
            Self::Secret { name, version } => write!(f, "sealed_secrets, {name} version {version}"),
            Self::Authorization { webhook } => write!(f, "webhooks, authorization of {webhook}"),
            Self::AcmeAccount { directory } => write!(f, "acme_accounts, account at {directory}"),
            Self::Certificate { id } => write!(f, "acme_certificates, private key of {id}"),
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
    let secrets = on!(&mut *connection, c => secrets.load::<(String, i64, Vec<u8>)>(c))?;
    let authorizations = webhooks::table
        .filter(webhooks::sealed_authorization.is_not_null())
        .select((webhooks::name, webhooks::sealed_authorization.assume_not_null()))
        .order(webhooks::name);
    let authorizations = on!(&mut *connection, c => authorizations.load::<(String, Vec<u8>)>(c))?;
    let accounts = acme_accounts::table
        .select((acme_accounts::directory, acme_accounts::sealed_credentials))
        .order(acme_accounts::directory);
    let accounts = on!(&mut *connection, c => accounts.load::<(String, Vec<u8>)>(c))?;
    let certificates = acme_certificates::table
        .filter(acme_certificates::sealed_private_key.is_not_null())
        .select((acme_certificates::id, acme_certificates::sealed_private_key.assume_not_null()))
        .order(acme_certificates::id);
    let certificates = on!(connection, c => certificates.load::<(Uuid, Vec<u8>)>(c))?;
    let keys = keys.into_iter().map(|(kid, sealed)| SealedValue { place: Place::SigningKey { kid }, sealed });
    let secrets = secrets
        .into_iter()
        .map(|(name, version, sealed)| SealedValue { place: Place::Secret { name, version }, sealed });
    let authorizations = authorizations
        .into_iter()
        .map(|(webhook, sealed)| SealedValue { place: Place::Authorization { webhook }, sealed });
    let accounts =
        accounts.into_iter().map(|(directory, sealed)| SealedValue { place: Place::AcmeAccount { directory }, sealed });
    let certificates =
        certificates.into_iter().map(|(id, sealed)| SealedValue { place: Place::Certificate { id }, sealed });
    Ok(keys.chain(secrets).chain(authorizations).chain(accounts).chain(certificates).collect())
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
        Place::Authorization { webhook } => {
            let row = webhooks::table
                .filter(webhooks::name.eq(webhook))
                .filter(webhooks::sealed_authorization.eq(Some(old.to_vec())));
            let change = webhooks::sealed_authorization.eq(Some(new.to_vec()));
            on!(connection, c => diesel::update(row).set(change).execute(c))?
        }
        Place::AcmeAccount { directory } => {
            let row = acme_accounts::table.find(directory).filter(acme_accounts::sealed_credentials.eq(old));
            on!(connection, c => diesel::update(row).set(acme_accounts::sealed_credentials.eq(new)).execute(c))?
        }
        Place::Certificate { id } => {
            let row = acme_certificates::table
                .find(Bind(*id))
                .filter(acme_certificates::sealed_private_key.eq(Some(old.to_vec())));
            let change = acme_certificates::sealed_private_key.eq(Some(new.to_vec()));
            on!(connection, c => diesel::update(row).set(change).execute(c))?
        }
    };
    Ok(replaced == 1)
}
