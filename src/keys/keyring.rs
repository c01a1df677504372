//! The ring that this process signs with, how it follows the database, and the rotation on schedule. What is done to keys
//! by command is in `keyring/by_command.rs`.

mod authorization;
mod by_command;
mod certificates;
mod events;
mod transfer;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::{ArcSwap, Guard};
use chrono::{DateTime, Duration, Utc};

pub(super) use authorization::purpose as authorization_purpose;
pub use by_command::{Activation, Revocation, RevokedKey};
pub(super) use certificates::{acme_account_purpose, certificate_purpose};
pub use transfer::{Admission, Role};

use super::jwks_document::JwksDocument;
use super::lifecycle::{Schedule, State, rotation_due, spans};
use super::master::MasterKeyRing;
use super::ring::{OpenedKey, Ring, UnusableKey, open_pair};
use super::seal::{self, SealError};
use super::{GenerateError, GeneratedKey, generate};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::protocol::jwk::{Algorithm, PublicJwk};
use crate::store::audit_events::Author;
use crate::store::revisions::{self, Topic};
use crate::store::settings::{self, Settings};
use crate::store::signing_keys::{self, SigningKey};
use crate::store::{self, Connection, Exclusive, Json, Spelled, Store, audit_seals, resource_servers};

/// What keeps a key from being used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("signing key {kid}: {source}")]
    Sealed { kid: String, source: SealError },
    #[error("signing key {kid}: {source}")]
    Unusable { kid: String, source: UnusableKey },
    #[error(transparent)]
    Generate(#[from] GenerateError),
}

/// The signing keys of one process.
pub struct Keys {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    master: Arc<MasterKeyRing>,
    ring: ArcSwap<Ring>,
    /// The revision that `ring` was read at.
    revision: AtomicI64,
    /// When that was, in milliseconds since 1970.
    read_at: AtomicI64,
    /// How long a verifier may keep the key set, in seconds.
    jwks_max_age: AtomicI64,
    document: ArcSwap<JwksDocument>,
}

/// What came of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    pub kid: String,
    pub algorithm: Algorithm,
    pub created_at: DateTime<Utc>,
    pub active_at: DateTime<Utc>,
    /// False when a key was waiting already.
    pub new: bool,
}

/// A new key with its private half sealed, before it is stored: generating one takes too long for a transaction.
pub struct PreparedKey {
    public_jwk: PublicJwk,
    sealed_private_key: Vec<u8>,
}

impl Keys {
    pub fn new(store: Store, clock: Clock, entropy: Entropy, master: Arc<MasterKeyRing>) -> Self {
        Self {
            store,
            clock,
            entropy,
            master,
            ring: ArcSwap::default(),
            revision: AtomicI64::new(-1),
            read_at: AtomicI64::new(0),
            jwks_max_age: AtomicI64::new(0),
            document: ArcSwap::default(),
        }
    }

    /// The ring as it stands. It costs no lock, and a caller that keeps it keeps one consistent state.
    pub fn ring(&self) -> Guard<Arc<Ring>> {
        self.ring.load()
    }

    /// The key set as it is served now. Made anew only when a key was added or changed its state.
    pub fn document(&self) -> Arc<JwksDocument> {
        let now = self.clock.now();
        let ring = self.ring.load_full();
        let held = self.document.load();
        let max_age = self.jwks_max_age.load(Ordering::Relaxed);
        if held.holds(&ring, max_age, now) {
            return held.clone();
        }
        let document = Arc::new(JwksDocument::new(ring, max_age, now));
        self.document.store(document.clone());
        document
    }

    /// When the ring was read; it is read again when a key was added or changed.
    pub fn read_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.read_at.load(Ordering::Relaxed))
    }

    pub fn is_behind(&self, revision: i64) -> bool {
        self.revision.load(Ordering::Acquire) != revision
    }

    /// Reads and opens every key anew. On an error the ring stays as it was.
    pub async fn reload(&self) -> Result<(), KeysError> {
        let mut connection = self.store.reading().await?;
        // Read first: a change that comes between is then read again, and never missed.
        let revision = revisions::current(&mut connection).await?.get(Topic::Keys.as_str()).copied();
        let settings = settings::load(&mut connection).await?;
        let retention = settings.retention_at(self.clock.now());
        let rows = signing_keys::all(&mut connection).await?;
        drop(connection);
        let opened = rows.into_iter().map(|row| self.open(row)).collect::<Result<Vec<_>, _>>()?;
        self.ring.store(Arc::new(Ring::new(opened, retention)));
        self.jwks_max_age.store(settings.jwks_max_age, Ordering::Relaxed);
        self.read_at.store(self.clock.now().timestamp_millis(), Ordering::Relaxed);
        self.revision.store(revision.unwrap_or(-1), Ordering::Release);
        Ok(())
    }

    fn open(&self, row: SigningKey) -> Result<OpenedKey, KeysError> {
        let kid = row.kid;
        let private = match seal::open(&self.master, &purpose(&kid), &row.sealed_private_key) {
            Ok(private) => private,
            Err(source) => return Err(KeysError::Sealed { kid, source }),
        };
        let (signer, verifying) = match open_pair(&row.public_jwk.0, &private) {
            Ok(pair) => pair,
            Err(source) => return Err(KeysError::Unusable { kid, source }),
        };
        Ok(OpenedKey {
            public_jwk: row.public_jwk.0,
            created_at: row.created_at,
            active_at: row.active_at,
            revoked_at: row.revoked_at,
            retired_at: row.retired_at,
            signer,
            verifying,
        })
    }

    /// What tokens are signed with now, and what they are about to be.
    pub async fn algorithms_in_use(&self) -> Result<Vec<Algorithm>, store::Error> {
        in_use(&mut self.store.reading().await?, self.clock.now()).await
    }

    /// What time asks for: successors of keys that near their end, first keys of algorithms that have none, and the
    /// removal of those whose last token has expired. Every instance calls this; one does the work.
    pub async fn maintain(&self) -> Result<Vec<Staged>, KeysError> {
        let mut connection = self.store.reading().await?;
        let rows = signing_keys::all(&mut connection).await?;
        let settings = settings::load(&mut connection).await?;
        let now = self.clock.now();
        let algorithms = in_use(&mut connection, now).await?;
        drop(connection);
        let mut staged = Vec::new();
        for algorithm in algorithms {
            if due(&rows, algorithm, now, &settings).is_some() {
                staged.extend(self.insert_due(algorithm).await?);
            }
        }
        for kid in expired(&rows, settings.retention_at(now), now) {
            let removed = async |connection: &mut Connection| self.remove_expired(connection, kid).await;
            if self.store.exclusively(Exclusive::Rotation, removed).await? {
                tracing::info!(key.id = kid, "a signing key's last token has expired: removed");
            }
        }
        Ok(staged)
    }

    /// Removes a key, unless another instance has, or the newest seal of the audit trail is by it: a key that the issuer has
    /// is what vouches for the trail.
    async fn remove_expired(&self, connection: &mut Connection, kid: &str) -> Result<bool, KeysError> {
        let seals = audit_seals::newest(connection).await?.is_some_and(|seal| seal.kid == kid);
        if seals || !signing_keys::delete(connection, kid).await? {
            return Ok(false);
        }
        self.record_removal(connection, kid).await?;
        Ok(true)
    }

    /// Generates outside any transaction (an RSA key takes a while), takes the lock, looks again, writes once.
    async fn insert_due(&self, algorithm: Algorithm) -> Result<Option<Staged>, KeysError> {
        let prepared = self.prepare(algorithm)?;
        let inserted = async |connection: &mut Connection| -> Result<Option<Staged>, KeysError> {
            let now = self.clock.now();
            let settings = settings::load(connection).await?;
            let rows = signing_keys::all(connection).await?;
            let Some(active_at) = due(&rows, algorithm, now, &settings) else { return Ok(None) };
            let staged = prepared.insert(connection, now, active_at).await?;
            self.record(connection, &Author::signet(), &staged).await?;
            Ok(Some(staged))
        };
        self.store.exclusively(Exclusive::Rotation, inserted).await
    }

    /// A new key of `algorithm`, not stored yet.
    pub fn prepare(&self, algorithm: Algorithm) -> Result<PreparedKey, KeysError> {
        let GeneratedKey { private_key, public_jwk } = generate(algorithm, &self.entropy)?;
        let sealed_private_key = seal::seal(&self.master, &purpose(public_jwk.kid()), private_key.expose());
        Ok(PreparedKey { public_jwk, sealed_private_key })
    }
}

impl PreparedKey {
    /// Stores it, in a transaction that holds [`Exclusive::Rotation`].
    async fn insert(
        &self,
        connection: &mut Connection,
        created_at: DateTime<Utc>,
        active_at: DateTime<Utc>,
    ) -> Result<Staged, store::Error> {
        let (kid, algorithm) = (self.public_jwk.kid().to_owned(), self.public_jwk.algorithm());
        let key = SigningKey {
            kid: kid.clone(),
            algorithm: Spelled(algorithm),
            public_jwk: Json(self.public_jwk.clone()),
            sealed_private_key: self.sealed_private_key.clone(),
            created_at,
            active_at,
            revoked_at: None,
            retired_at: None,
            activation_noted_at: None,
        };
        signing_keys::insert(connection, &key).await?;
        revisions::bump(connection, Topic::Keys).await?;
        Ok(Staged { kid, algorithm, created_at, active_at, new: true })
    }
}

/// The algorithms that tokens are signed with: those of the resource servers, and the default.
async fn in_use(connection: &mut Connection, now: DateTime<Utc>) -> Result<Vec<Algorithm>, store::Error> {
    let mut algorithms = vec![Algorithm::ES256];
    let mut after = String::new();
    loop {
        let page = resource_servers::list(connection, &after, 1000).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.audience);
        // The one that signs now, and the one that is to follow it.
        algorithms.extend(page.iter().flat_map(|server| [server.algorithm_at(now), server.signing_algorithm.0]));
    }
    algorithms.sort();
    algorithms.dedup();
    Ok(algorithms)
}

fn schedules(rows: &[SigningKey]) -> Vec<Schedule> {
    let schedule = |row: &SigningKey| Schedule {
        kid: row.kid.clone(),
        algorithm: row.algorithm.0,
        active_at: row.active_at,
        revoked_at: row.revoked_at,
        retired_at: row.retired_at,
    };
    rows.iter().map(schedule).collect()
}

fn due(rows: &[SigningKey], algorithm: Algorithm, now: DateTime<Utc>, settings: &Settings) -> Option<DateTime<Utc>> {
    let interval = Duration::seconds(settings.key_rotation_interval);
    let publication = settings.publication_at(now);
    rotation_due(&schedules(rows), algorithm, now, interval, publication)
}

fn expired(rows: &[SigningKey], retention: Duration, now: DateTime<Utc>) -> impl Iterator<Item = &str> {
    let spans = spans(&schedules(rows), retention);
    let ended = rows.iter().zip(spans).filter(move |(_, span)| span.state(now) == State::Expired);
    ended.map(|(row, _)| row.kid.as_str())
}

/// What the private key is sealed for: a sealed key moved to another row does not open there.
pub(super) fn purpose(kid: &str) -> String {
    format!("signing-key:{kid}")
}
