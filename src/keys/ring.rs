//! The signing keys as one immutable snapshot: built whole, shared, replaced whole. Reading it takes no lock, and
//! signing with it parses and copies no key.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::keys::jws::{Typ, encode_header, sign_compact};
use crate::keys::lifecycle::{Schedule, Span, State, spans};
use crate::keys::signer::{LocalSigner, OpenError, SignError, Signer};
use crate::keys::verifying_key::{UnacceptableKey, VerifyingKey};
use crate::protocol::jwk::{Algorithm, JwkSet, PublicJwk};
use crate::secret::SecretBytes;

/// A stored key made ready for use. Its kid and algorithm are those of its public JWK.
pub struct OpenedKey {
    pub public_jwk: PublicJwk,
    pub created_at: DateTime<Utc>,
    pub active_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub retired_at: Option<DateTime<Utc>>,
    pub signer: Arc<dyn Signer>,
    pub verifying: VerifyingKey,
}

impl OpenedKey {
    /// What the lifecycle functions judge it by.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            kid: self.public_jwk.kid().to_owned(),
            algorithm: self.public_jwk.algorithm(),
            active_at: self.active_at,
            revoked_at: self.revoked_at,
            retired_at: self.retired_at,
        }
    }
}

/// Why a stored key is not used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableKey {
    #[error("the stored public key does not belong to the stored private key")]
    Mismatch,
    #[error(transparent)]
    Private(#[from] OpenError),
    #[error(transparent)]
    Public(#[from] UnacceptableKey),
}

/// Both halves of a stored key, parsed and found to belong together: with a public key that does not, nobody could
/// verify what the private one signs.
///
/// # Errors
/// When either half is unusable or they do not match.
pub fn open_pair(
    public_jwk: &PublicJwk,
    private_key: &SecretBytes,
) -> Result<(Arc<dyn Signer>, VerifyingKey), UnusableKey> {
    let signer = LocalSigner::open(public_jwk.algorithm(), private_key)?;
    if signer.public_jwk()?.material() != public_jwk.material() {
        return Err(UnusableKey::Mismatch);
    }
    Ok((Arc::new(signer), VerifyingKey::from_jwk(public_jwk)?))
}

/// A key in the ring.
pub struct RingKey {
    key: OpenedKey,
    span: Span,
    /// The encoded header for each [`Typ`] that is signed often.
    access_token_header: String,
    status_list_header: String,
    security_event_header: String,
}

impl RingKey {
    fn new(key: OpenedKey, span: Span) -> Self {
        let header = |typ| encode_header(key.public_jwk.algorithm(), key.public_jwk.kid(), typ);
        let (access_token_header, status_list_header) = (header(Typ::AccessToken), header(Typ::StatusList));
        let security_event_header = header(Typ::SecurityEvent);
        Self { key, span, access_token_header, status_list_header, security_event_header }
    }

    pub fn kid(&self) -> &str {
        self.key.public_jwk.kid()
    }

    pub fn algorithm(&self) -> Algorithm {
        self.key.public_jwk.algorithm()
    }

    pub fn opened(&self) -> &OpenedKey {
        &self.key
    }

    pub fn verifying(&self) -> &VerifyingKey {
        &self.key.verifying
    }

    pub fn state(&self, now: DateTime<Utc>) -> State {
        self.span.state(now)
    }

    /// When it stops signing and when it leaves the key set, as things stand.
    pub fn end(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.span.end()
    }

    /// When the state changes next, as things stand.
    pub fn next_transition(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.span.next_transition(now)
    }

    /// Signs `claims` as a compact JWT.
    ///
    /// # Errors
    /// When the claims are no JSON or the key's holder does not sign.
    pub fn sign_jwt(&self, typ: Typ, claims: &impl Serialize) -> Result<String, SignError> {
        let made;
        let header = match typ {
            Typ::AccessToken => &self.access_token_header,
            Typ::StatusList => &self.status_list_header,
            Typ::AuditSeal => {
                made = encode_header(self.algorithm(), self.kid(), typ);
                &made
            }
            Typ::SecurityEvent => &self.security_event_header,
        };
        sign_compact(header, &serde_json::to_vec(claims)?, self.key.signer.as_ref())
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingKey")
            .field("kid", &self.kid())
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// All keys of all algorithms, in the order in which they start.
#[derive(Debug, Default)]
pub struct Ring {
    keys: Vec<RingKey>,
}

impl Ring {
    /// `retention` is how long a key still verifies after its last signature (see `lifecycle`).
    pub fn new(mut opened: Vec<OpenedKey>, retention: TimeDelta) -> Self {
        opened.sort_by(|a, b| (a.active_at, a.public_jwk.kid()).cmp(&(b.active_at, b.public_jwk.kid())));
        let schedules: Vec<_> = opened.iter().map(OpenedKey::schedule).collect();
        let keys = opened.into_iter().zip(spans(&schedules, retention)).map(|(key, span)| RingKey::new(key, span));
        Self { keys: keys.collect() }
    }

    /// The one key that signs by `algorithm` now.
    pub fn signing_key(&self, algorithm: Algorithm, now: DateTime<Utc>) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.algorithm() == algorithm && key.state(now) == State::Signing)
    }

    /// The key of exactly this kid, unless it is revoked or expired: [`state`](Self::state) tells these apart.
    pub fn verifying_key(&self, kid: &str, now: DateTime<Utc>) -> Option<&RingKey> {
        self.find(kid).filter(|key| key.state(now).verifies())
    }

    /// `None` for a key that was never here, or was deleted after it expired.
    pub fn state(&self, kid: &str, now: DateTime<Utc>) -> Option<State> {
        self.find(kid).map(|key| key.state(now))
    }

    /// Every key, whatever its state.
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// The key set to publish.
    pub fn jwks(&self, now: DateTime<Utc>) -> JwkSet {
        let published = self.keys.iter().filter(|key| key.state(now).verifies());
        JwkSet { keys: published.map(|key| key.key.public_jwk.clone()).collect() }
    }

    fn find(&self, kid: &str) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }
}

#[cfg(test)]
mod tests;
