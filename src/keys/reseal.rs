//! Sealed values that change their master key: all of a running issuer's, when the master key is replaced, and those of
//! a backup, which are sealed under a key of its own. What is sealed is opened and sealed again without leaving `keys`.

use std::collections::BTreeMap;

use super::issuer_secrets;
use super::keyring;
use super::master::{MasterKeyId, MasterKeyRing};
use super::ring::{UnusableKey, open_pair};
use super::seal::{self, SealError};
use crate::store::sealed::{self, Place, SealedValue};
use crate::store::signing_keys::SigningKey;
use crate::store::{self, Connection, Store};

/// Values in one transaction: few enough that an instance that makes a key need not wait.
const BATCH: usize = 10;

/// An instance with the old file may seal under the old key meanwhile; after as many rounds it is told instead.
const ROUNDS: usize = 5;

/// A value that no key of the ring opens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct Unopened {
    pub place: Place,
    pub error: SealError,
}

/// What is sealed under which master key.
#[derive(Debug, Default)]
pub struct Survey {
    /// For each master key that sealed something, in the ring or not, how many values of each table.
    pub sealed: BTreeMap<MasterKeyId, BTreeMap<&'static str, u64>>,
    pub unopened: Vec<Unopened>,
}

/// What a rotation has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub resealed: u64,
    /// Values that came to be sealed under an older key meanwhile.
    pub left: u64,
}

/// Why a rotation has not begun.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("no key of the ring opens {}: nothing was changed", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unopened(Vec<Unopened>),
}

/// Opens every sealed value, and tells which key sealed it.
pub async fn survey(store: &Store, ring: &MasterKeyRing) -> Result<Survey, store::Error> {
    let values = sealed::all(&mut store.reading().await?).await?;
    let mut survey = Survey::default();
    for SealedValue { place, sealed } in values {
        if let Ok(key) = seal::sealed_under(&sealed) {
            *survey.sealed.entry(key).or_default().entry(place.table()).or_default() += 1;
        }
        if let Err(error) = seal::open(ring, &purpose(&place), &sealed) {
            survey.unopened.push(Unopened { place, error });
        }
    }
    Ok(survey)
}

/// Seals under the ring's first key whatever is not. The issuer may be serving: each value is replaced by a statement
/// that requires it to be as it was read, so that a second rotation, or a key that is removed, does no harm; and what an
/// interrupted rotation has not reached, the next one does.
///
/// The canary comes last: once it is under the new key, so is everything, and an instance without that key refuses to
/// start. `progress` is told how many values are done, of how many.
pub async fn rotate(
    store: &Store,
    ring: &MasterKeyRing,
    mut progress: impl FnMut(u64, u64),
) -> Result<Resealed, ResealError> {
    let survey = survey(store, ring).await?;
    if !survey.unopened.is_empty() {
        return Err(ResealError::Unopened(survey.unopened));
    }
    let mut done = Resealed::default();
    for _ in 0..ROUNDS {
        let mut values = not_first(store, ring).await?;
        if values.is_empty() {
            return Ok(done);
        }
        values.sort_by_key(|value| is_canary(&value.place));
        let total = done.resealed + values.len() as u64;
        for batch in values.chunks(BATCH) {
            done.resealed += store.transaction(async |c: &mut Connection| replace(c, ring, batch).await).await?;
            progress(done.resealed, total);
        }
    }
    done.left = not_first(store, ring).await?.len() as u64;
    Ok(done)
}

async fn replace(
    connection: &mut Connection,
    ring: &MasterKeyRing,
    batch: &[SealedValue],
) -> Result<u64, store::Error> {
    let mut replaced = 0;
    for SealedValue { place, sealed } in batch {
        // Everything opened at first. What has come since, under a key of somebody else's ring, is counted as left.
        let Ok(again) = reseal(ring, ring, place, sealed) else { continue };
        replaced += u64::from(sealed::replace(connection, place, sealed, &again).await?);
    }
    Ok(replaced)
}

async fn not_first(store: &Store, ring: &MasterKeyRing) -> Result<Vec<SealedValue>, store::Error> {
    let first = Ok(ring.first().id());
    let mut values = sealed::all(&mut store.reading().await?).await?;
    values.retain(|value| seal::sealed_under(&value.sealed) != first);
    Ok(values)
}

fn is_canary(place: &Place) -> bool {
    matches!(place, Place::Secret { name, .. } if name == issuer_secrets::CANARY)
}

/// Seals a value under another ring's first key, for the same place.
///
/// # Errors
/// When no key of `from` opens it.
pub fn reseal(from: &MasterKeyRing, to: &MasterKeyRing, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let purpose = purpose(place);
    Ok(seal::seal(to, &purpose, seal::open(from, &purpose, sealed)?.expose()))
}

/// Why a stored signing key could not sign.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyFault {
    #[error("its private key does not open: {0}")]
    Sealed(#[from] SealError),
    #[error(transparent)]
    Unusable(#[from] UnusableKey),
    #[error("its public key has the kid {0}")]
    Kid(String),
}

/// Whether a stored key opens, and its two halves belong together.
///
/// # Errors
/// When they do not.
pub fn check_signing_key(ring: &MasterKeyRing, key: &SigningKey) -> Result<(), SigningKeyFault> {
    let private_key = seal::open(ring, &keyring::purpose(&key.kid), &key.sealed_private_key)?;
    open_pair(&key.public_jwk.0, &private_key)?;
    match key.public_jwk.0.kid() {
        kid if kid == key.kid => Ok(()),
        other => Err(SigningKeyFault::Kid(other.to_owned())),
    }
}

fn purpose(place: &Place) -> String {
    match place {
        Place::SigningKey { kid } => keyring::purpose(kid),
        Place::Secret { name, version } => issuer_secrets::purpose(name, *version),
        Place::Authorization { webhook } => keyring::authorization_purpose(webhook),
        Place::AcmeAccount { directory } => keyring::acme_account_purpose(directory),
        Place::Certificate { id } => keyring::certificate_purpose(*id),
    }
}
