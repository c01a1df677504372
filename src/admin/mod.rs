//! What an administrator may do: one file a noun. The command line and the HTTP API both call it, so nothing here prints,
//! prompts or parses arguments.
//!
//! A change, its checks and its audit event are one transaction. What is answered never holds a hash; a new secret is
//! answered once, in [`Done`], for the caller to show.

mod audit;
mod client_rules;
pub mod client_secrets;
pub mod clients;
pub mod grants;
pub mod key_export;
mod key_import;
pub mod key_revocation;
pub mod lifetime;
pub mod password_hashes;
pub mod resource_servers;
pub mod settings;
mod signing_algorithm;
pub mod signing_keys;
pub mod token;
pub mod token_revocation;
pub mod user_import;
pub mod users;
pub mod verifiers;

use std::sync::Arc;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::{Keys, KeysError};
use crate::secret::Secret;
use crate::status::Moment;
use crate::store::revisions::{self, Topic};
use crate::store::{self, Connection, Store};
use crate::{password, store::settings as stored_settings};

/// An administrator at work.
pub struct Admin {
    pub store: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keys: Arc<Keys>,
    pub passwords: Arc<password::Pool>,
    /// Who it is, for the audit trail.
    pub actor: String,
}

/// Why something was not done. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no {kind} {name}")]
    NotFound { kind: &'static str, name: String },
    #[error("the {kind} {name} exists already")]
    Exists { kind: &'static str, name: String },
    /// Understood, and not allowed as things stand. The text says what to do.
    #[error("{0}")]
    Refused(String),
    /// Never allowed, however things stand. The field is named as its column.
    #[error("{field} {reason}")]
    Invalid { field: &'static str, reason: String },
    #[error("the password {0}")]
    Password(#[from] password::Refusal),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("too many passwords are being hashed at the moment")]
    Busy,
    #[error(transparent)]
    Hashing(password::Error),
}

impl From<password::Error> for Error {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Busy => Self::Busy,
            password::Error::TooLong => Self::Password(password::Refusal::TooLong),
            password::Error::Breached => Self::Password(password::Refusal::Breached),
            ranges @ password::Error::Ranges(_) => Self::Refused(format!("the password was not set: {ranges}")),
            other => Self::Hashing(other),
        }
    }
}

impl Error {
    fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }
}

/// What a change came to.
#[derive(Debug)]
pub struct Done<T> {
    pub view: T,
    /// A new secret, in clear: it can never be shown again.
    pub client_secret: Option<Secret>,
    /// What the administrator should know about the change.
    pub notes: Vec<String>,
}

impl<T> Done<T> {
    fn plain(view: T) -> Self {
        Self { view, client_secret: None, notes: Vec::new() }
    }
}

/// A value of its own, or what holds for all: how a change sets a column that may be absent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice<T> {
    Default,
    Own(T),
}

impl<T> Choice<T> {
    fn into_option(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Own(value) => Some(value),
        }
    }
}

impl Admin {
    /// A change of clients, resource servers or settings.
    ///
    /// It is counted first: the counter's row then keeps other such changes out until this one is committed, so that
    /// what `body` finds to be true still is when it takes effect.
    async fn configure<T>(&self, body: impl AsyncFnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let counted = async |connection: &mut Connection| {
            revisions::bump(connection, Topic::Configuration).await?;
            body(connection).await
        };
        self.store.transaction(counted).await
    }

    /// Now, as revocations need it.
    async fn moment(&self, connection: &mut Connection) -> Result<Moment, Error> {
        let now = self.clock.now();
        Ok(Moment { now, retention: stored_settings::load(connection).await?.retention_at(now) })
    }
}

/// Rows that are read from the database at once.
const PAGE: i64 = 500;

/// Everything of a list that is read in pages: `page` answers what lies behind a key, at most so many.
pub async fn every<T, K>(
    first: K,
    mut page: impl AsyncFnMut(&K, i64) -> Result<Vec<T>, Error>,
    key: impl Fn(&T) -> K,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    let mut after = first;
    loop {
        let rows = page(&after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(all) };
        after = key(last);
        all.extend(rows);
    }
}

#[cfg(test)]
mod tests;
