//! One request, carried out once, however often it comes: what it was answered is kept for a day under the name that the
//! administrator gave it (`Idempotency-Key`), written in the transaction of what was done.
//!
//! The answer may hold a secret. It is encrypted under a key that follows from that name and from a secret of the issuer, so
//! that neither the database nor whoever guesses names can read it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use chrono::Duration;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Admin, Done, Error};
use crate::oauth::Provider;
use crate::store::remembered_answers::{self, RememberedAnswer};
use crate::store::{self, Connection};

/// How long an answer is kept.
const KEPT: Duration = Duration::hours(24);

/// The nonce of AES-GCM, before what is encrypted.
const NONCE: usize = 12;

/// A request that has a name.
#[derive(Clone)]
pub struct NamedRequest {
    key: Vec<u8>,
    request_hash: Vec<u8>,
    cipher_key: Vec<u8>,
}

/// What is known of a named request.
pub enum Earlier<T> {
    /// It is new.
    None,
    /// It was carried out, and this was answered.
    Same(T),
    /// Another request had this name.
    Other,
}

impl NamedRequest {
    /// `name` is the administrator's; `asked` is everything that makes the request what it is.
    pub fn new(provider: &Provider, actor: &str, name: &str, asked: &[&[u8]]) -> Self {
        let derived = |purpose: &[u8]| provider.secrets.derived(purpose, &[actor.as_bytes(), name.as_bytes()]);
        let mut request = Vec::new();
        for part in asked {
            request.extend(part.len().to_be_bytes());
            request.extend_from_slice(part);
        }
        Self {
            key: derived(b"signet idempotency name\0"),
            request_hash: digest(&SHA256, &request).as_ref().to_vec(),
            cipher_key: derived(b"signet idempotency cipher\0"),
        }
    }

    fn seal(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.cipher_key).ok()?;
        let mut sealed = answer.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(&self.key), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.cipher_key).ok()?;
        let mut opened = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::from(&self.key), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

impl Admin {
    /// What came of the request of this name before.
    pub async fn earlier<T: DeserializeOwned>(&self, named: &NamedRequest) -> Result<Earlier<T>, Error> {
        let since = self.clock.now() - KEPT;
        let found = remembered_answers::find(&mut self.store.reading().await?, &named.key, since).await?;
        let Some(found) = found else { return Ok(Earlier::None) };
        if found.request_hash != named.request_hash {
            return Ok(Earlier::Other);
        }
        let answer = named.open(&found.sealed_answer).and_then(|json| serde_json::from_slice(&json).ok());
        answer.map(Earlier::Same).ok_or_else(|| store::Error::Failed("a kept answer does not open".to_owned()).into())
    }

    /// Keeps what is answered to a named request, in the transaction that does what was asked.
    ///
    /// # Errors
    /// [`Error::Repeated`] when the same request was carried out meanwhile: nothing is done then.
    pub(super) async fn remember<T: Serialize>(
        &self,
        connection: &mut Connection,
        done: &Done<T>,
    ) -> Result<(), Error> {
        let Some(named) = &self.named else { return Ok(()) };
        let now = self.clock.now();
        let sealed = serde_json::to_vec(done).ok().and_then(|json| named.seal(&json));
        let sealed_answer = sealed.ok_or_else(|| store::Error::Failed("an answer was not kept".to_owned()))?;
        let answer = RememberedAnswer {
            key: named.key.clone(),
            request_hash: named.request_hash.clone(),
            sealed_answer,
            created_at: now,
        };
        remembered_answers::forget(connection, now - KEPT).await?;
        remembered_answers::insert(connection, &answer).await.map_err(|error| match error {
            store::Error::Exists => Error::Repeated,
            other => other.into(),
        })
    }
}
