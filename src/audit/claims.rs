//! What the signature of a seal says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::chain::{hash, hexadecimal};
use crate::keys::ring::Ring;
use crate::keys::verifying_key::VerifyingKey;
use crate::keys::{Typ, UnverifiedToken};
use crate::store::audit_seals::AuditSeal;

/// The columns of a seal, the issuer, and the seal before.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SealClaims {
    pub iss: String,
    pub number: i64,
    pub events: i64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub previous_hash: String,
    pub hash: String,
    pub sealed_at: DateTime<Utc>,
    /// SHA-256 of the signature of the seal before, where whoever made this one found that to be right, by a key of the ring.
    pub previous_signature: Option<String>,
}

/// How the claims name a signature.
pub fn fingerprint(signature: &str) -> String {
    hexadecimal(&hash(signature.as_bytes()))
}

/// A signature that is right.
pub struct Signed {
    pub claims: SealClaims,
    /// Whether the key is one of the issuer's, as far as it still knows: otherwise it is the one that lies beside the seal.
    pub known: bool,
    /// When the key was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The claims of a seal's signature, if that is by the key that the seal names and says what the seal says. A key of the ring
/// is always preferred to the one beside the seal: that its private half is sealed under the master key is what vouches for it.
///
/// # Errors
/// What is wrong with it.
pub fn check(seal: &AuditSeal, ring: &Ring) -> Result<Signed, String> {
    let token = UnverifiedToken::parse(&seal.signature).map_err(|error| format!("its signature is none: {error}"))?;
    if token.kid() != seal.kid {
        return Err("its signature is by another key than it names".to_owned());
    }
    let known = ring.keys().iter().find(|key| key.kid() == seal.kid);
    let payload = match known {
        Some(key) => token.verify(key.verifying()),
        None => {
            let beside = VerifyingKey::from_jwk(&seal.public_jwk.0);
            let beside = beside.map_err(|error| format!("the public key beside it is none: {error}"))?;
            token.verify(&beside)
        }
    };
    let payload = payload.map_err(|error| error.to_string())?;
    if !token.is_typ(Typ::AuditSeal) {
        return Err("what is signed is not a seal".to_owned());
    }
    let claims: SealClaims =
        serde_json::from_slice(payload).map_err(|error| format!("what is signed is not a seal: {error}"))?;
    if !claims.is_of(seal) {
        return Err("its signature says something else than the seal".to_owned());
    }
    let revoked_at = known.and_then(|key| key.opened().revoked_at);
    Ok(Signed { claims, known: known.is_some(), revoked_at })
}

impl SealClaims {
    fn is_of(&self, seal: &AuditSeal) -> bool {
        self.number == seal.number
            && self.events == seal.events
            && self.first_at == seal.first_at
            && self.last_at == seal.last_at
            && self.previous_hash == hexadecimal(&seal.previous_hash)
            && self.hash == hexadecimal(&seal.hash)
            && self.sealed_at == seal.sealed_at
    }
}
