//! What an administrator does to keys: stage a successor, activate one at once, revoke one in an emergency.

use chrono::{DateTime, Utc};

use super::super::lifecycle::{State, immediate, spans};
use super::{Keys, KeysError, PreparedKey, Staged, schedules};
use crate::protocol::jwk::Algorithm;
use crate::store::audit_events::Author;
use crate::store::revisions::{self, Topic};
use crate::store::signing_keys::{self, SigningKey};
use crate::store::{self, Connection, Exclusive, settings};

/// When a key that is made by command starts to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// After the publication period, when every verifier knows it.
    Published,
    /// At once: verifiers that keep an older key set refuse its tokens until they fetch it again.
    AtOnce,
}

/// What came of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    Done(RevokedKey),
    Unknown,
    Already(DateTime<Utc>),
}

/// A key that was revoked just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    pub kid: String,
    pub algorithm: Algorithm,
    /// Since when it signed.
    pub active_at: DateTime<Utc>,
    pub revoked_at: DateTime<Utc>,
    /// What signs in its stead, where it was the one that signed.
    pub successor: Option<Staged>,
}

impl Keys {
    /// A successor for each algorithm in use. One that is waiting already is answered as it is, or activated.
    pub async fn rotate(&self, activation: Activation, author: &Author) -> Result<Vec<Staged>, KeysError> {
        let algorithms = self.algorithms_in_use().await?;
        let mut staged = Vec::new();
        for algorithm in algorithms {
            staged.push(self.stage(algorithm, activation, author).await?);
        }
        Ok(staged)
    }

    /// A key of `algorithm` that starts as `activation` says. The one that waits already, if there is one: some verifiers
    /// know it.
    pub async fn stage(
        &self,
        algorithm: Algorithm,
        activation: Activation,
        author: &Author,
    ) -> Result<Staged, KeysError> {
        let prepared = self.prepare(algorithm)?;
        let staged = async |connection: &mut Connection| -> Result<Staged, KeysError> {
            let now = self.clock.now();
            let rows = signing_keys::all(connection).await?;
            let staged = match (activation, waiting(&rows, algorithm, now)) {
                (Activation::AtOnce, _) => start(connection, &rows, &prepared, now).await?,
                (Activation::Published, Some(key)) => return Ok(as_it_waits(key)),
                (Activation::Published, None) => {
                    let publication = settings::load(connection).await?.publication_at(now);
                    prepared.insert(connection, now, now + publication).await?
                }
            };
            self.record(connection, author, &staged).await?;
            Ok(staged)
        };
        let staged = self.store.exclusively(Exclusive::Rotation, staged).await?;
        if staged.new {
            tracing::info!(key.id = staged.kid, %algorithm, active_at = %staged.active_at, "a signing key was added");
        }
        Ok(staged)
    }

    /// Withdraws a key: from now on it is in no key set and its tokens verify nowhere. Where it was the one that signs, the
    /// key that waits is activated, or `prepared` added, which is of the same algorithm. For a transaction that holds
    /// [`Exclusive::Rotation`].
    pub async fn revoke(
        &self,
        connection: &mut Connection,
        (kid, prepared): (&str, &PreparedKey),
        author: &Author,
    ) -> Result<Revocation, store::Error> {
        let now = self.clock.now();
        let mut rows = signing_keys::all(connection).await?;
        let Some(place) = rows.iter().position(|row| row.kid == kid) else { return Ok(Revocation::Unknown) };
        if let Some(at) = rows[place].revoked_at {
            return Ok(Revocation::Already(at));
        }
        let retention = settings::load(connection).await?.retention_at(now);
        let signed = spans(&schedules(&rows), retention)[place].state(now) == State::Signing;
        rows[place].revoked_at = Some(now);
        signing_keys::set_revoked_at(connection, kid, now).await?;
        revisions::bump(connection, Topic::Keys).await?;
        let successor = if signed { Some(start(connection, &rows, prepared, now).await?) } else { None };
        if let Some(staged) = &successor {
            self.record(connection, author, staged).await?;
        }
        let SigningKey { algorithm, active_at, .. } = rows[place];
        Ok(Revocation::Done(RevokedKey {
            kid: kid.to_owned(),
            algorithm: algorithm.0,
            active_at,
            revoked_at: now,
            successor,
        }))
    }
}

/// The next key of `algorithm` that is in the key set and does not sign yet.
fn waiting(rows: &[SigningKey], algorithm: Algorithm, now: DateTime<Utc>) -> Option<&SigningKey> {
    let signs =
        |key: &&SigningKey| key.algorithm.0 == algorithm && key.revoked_at.is_none() && key.retired_at.is_none();
    let waits = |key: &&SigningKey| signs(key) && key.active_at > now;
    rows.iter().filter(waits).min_by_key(|key| key.active_at)
}

fn as_it_waits(key: &SigningKey) -> Staged {
    let SigningKey { algorithm, created_at, active_at, .. } = *key;
    Staged { kid: key.kid.clone(), algorithm: algorithm.0, created_at, active_at, new: false }
}

/// Lets the key that waits sign now, or `prepared` where none does.
async fn start(
    connection: &mut Connection,
    rows: &[SigningKey],
    prepared: &PreparedKey,
    now: DateTime<Utc>,
) -> Result<Staged, store::Error> {
    let algorithm = prepared.public_jwk.algorithm();
    let active_at = immediate(&schedules(rows), algorithm, now);
    let Some(key) = waiting(rows, algorithm, now) else {
        return prepared.insert(connection, now, active_at).await;
    };
    signing_keys::set_active_at(connection, &key.kid, active_at).await?;
    revisions::bump(connection, Topic::Keys).await?;
    Ok(Staged { active_at, ..as_it_waits(key) })
}
