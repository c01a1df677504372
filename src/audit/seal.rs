//! Making seals. Every instance tries; one at a time does it.

use chrono::{DateTime, SubsecRound as _, Utc};

use super::chain::{BEGINNING, hexadecimal, link};
use super::claims::{SealClaims, check, fingerprint};
use super::{INTERVAL, SETTLED};
use crate::clock::Clock;
use crate::keys::{Keys, KeysError, SignError, Typ};
use crate::protocol::issuer::Issuer;
use crate::protocol::jwk::Algorithm;
use crate::store::audit_seals::{self, AuditSeal};
use crate::store::{self, Connection, Exclusive, Json, Store, audit_events};

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("there is no active key to seal audit events with")]
    NoKey,
    #[error("events changed while they were being sealed")]
    Changed,
}

/// A seal that was made just now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    pub number: i64,
    pub events: usize,
    /// In hexadecimal.
    pub hash: String,
}

/// The audit trail of an issuer, and what its seals are made with.
#[derive(Clone, Copy)]
pub struct Trail<'a> {
    pub store: &'a Store,
    pub keys: &'a Keys,
    pub clock: &'a Clock,
    pub issuer: &'a Issuer,
}

/// Seals that are made at once, at most: after a long time without any.
const SEALS_A_RUN: usize = 100;

impl Trail<'_> {
    /// Seals what is settled, if the last time is an hour ago.
    pub async fn seal_when_due(&self, most: i64) -> Result<Vec<Sealed>, SealError> {
        let newest = audit_seals::newest(&mut self.store.reading().await?).await?;
        let now = self.clock.now();
        // A seal of the future was made by a clock that ran ahead.
        let recent = |seal: AuditSeal| now - seal.sealed_at < INTERVAL && seal.sealed_at - now < INTERVAL;
        if newest.is_some_and(recent) { Ok(Vec::new()) } else { self.seal(most).await }
    }

    /// Seals every event that is settled, `most` under a seal.
    pub async fn seal(&self, most: i64) -> Result<Vec<Sealed>, SealError> {
        self.keys.reload().await?;
        let mut made = Vec::new();
        while made.len() < SEALS_A_RUN {
            let until = self.clock.now() - SETTLED;
            let one = async |connection: &mut Connection| self.seal_one(connection, until, most).await;
            let Some(sealed) = self.store.exclusively(Exclusive::Seal, one).await? else { break };
            tracing::info!(number = sealed.number, events = sealed.events, hash = sealed.hash, "audit sealed");
            let full = i64::try_from(sealed.events).is_ok_and(|events| events >= most);
            made.push(sealed);
            if !full {
                break;
            }
        }
        Ok(made)
    }

    async fn seal_one(
        &self,
        connection: &mut Connection,
        until: DateTime<Utc>,
        most: i64,
    ) -> Result<Option<Sealed>, SealError> {
        let events = audit_events::unsealed(connection, until, most).await?;
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
        let previous = audit_seals::newest(connection).await?;
        let ring = self.keys.ring();
        // As the databases keep it, so that the signature is over what is read back.
        let now = self.clock.now().trunc_subsecs(6);
        let key = ring.signing_key(Algorithm::ES256, now).ok_or(SealError::NoKey)?;
        let (number, before, previous_signature) = match &previous {
            None => (1, BEGINNING.to_vec(), None),
            Some(seal) => {
                let vouched = match check(seal, &ring) {
                    Ok(signed) if signed.known => Some(fingerprint(&seal.signature)),
                    Ok(_) => None,
                    Err(why) => {
                        tracing::error!(
                            number = seal.number,
                            why,
                            "the newest audit seal is not right: run `signet audit verify`"
                        );
                        None
                    }
                };
                (seal.number.saturating_add(1), seal.hash.clone(), vouched)
            }
        };
        let hash = events.iter().fold(before.clone(), |before, event| link(&before, event).to_vec());
        let claims = SealClaims {
            iss: self.issuer.as_str().to_owned(),
            number,
            events: i64::try_from(events.len()).unwrap_or(i64::MAX),
            first_at: first.at,
            last_at: last.at,
            previous_hash: hexadecimal(&before),
            hash: hexadecimal(&hash),
            sealed_at: now,
            previous_signature,
        };
        let seal = AuditSeal {
            number,
            events: claims.events,
            first_at: claims.first_at,
            last_at: claims.last_at,
            previous_hash: before,
            hash,
            kid: key.kid().to_owned(),
            public_jwk: Json(key.opened().public_jwk.clone()),
            signature: key.sign_jwt(Typ::AuditSeal, &claims)?,
            sealed_at: now,
            purged_at: None,
        };
        audit_seals::insert(connection, &seal).await?;
        if audit_events::mark_sealed(connection, &events, number).await? != events.len() {
            return Err(SealError::Changed);
        }
        Ok(Some(Sealed { number, events: events.len(), hash: claims.hash }))
    }
}
