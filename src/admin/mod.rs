//! What an administrator may do: one file a noun. The command line and the HTTP API both call it, so nothing here prints,
//! prompts or parses arguments.
//!
//! A change, its checks and its audit event are one transaction. What is answered never holds a hash; a new secret is
//! answered once, in [`Done`], for the caller to show.

pub mod access;
mod audit;
pub mod audit_trail;
pub mod bootstrap;
mod choice;
mod client_rules;
pub mod client_secrets;
pub mod clients;
pub mod grants;
pub mod idempotency;
pub mod key_export;
pub mod key_import;
pub mod key_revocation;
pub mod lifetime;
pub mod operation;
pub mod operations;
pub mod page;
pub mod password_hashes;
pub mod resource_servers;
pub mod settings;
mod signing_algorithm;
pub mod signing_keys;
pub mod statistics;
pub mod token;
pub mod token_revocation;
pub mod user_import;
pub mod users;
pub mod verifiers;
pub mod webhook_deliveries;
pub mod webhooks;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotency::NamedRequest;
use operation::Answer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use choice::Choice;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::{Keys, KeysError};
use crate::oauth::{self, Origin, Provider};
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
    /// Where it asks from, for the same.
    pub origin: Origin,
    /// The issuer itself, where tokens are to be judged.
    pub provider: Option<Arc<Provider>>,
    /// The versions of which a thing must have one to be changed, when the administrator has said which it saw.
    pub expected_versions: Option<Vec<String>>,
    /// The request, where the administrator has given it a name.
    pub named: Option<NamedRequest>,
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
    /// The request was carried out already.
    #[error("the same request was carried out a moment ago")]
    Repeated,
    /// Somebody changed it since the version that was expected.
    #[error("it was changed meanwhile: look at what it is now, and change that")]
    Changed,
    #[error("too many passwords are being hashed at the moment")]
    Busy,
    #[error(transparent)]
    Hashing(password::Error),
}

/// Of the issuer's own look-ups, which fail as the database does.
impl From<oauth::Error> for Error {
    fn from(error: oauth::Error) -> Self {
        match error {
            oauth::Error::Unavailable(what) => store::Error::Unavailable(what).into(),
            other => store::Error::Failed(other.to_string()).into(),
        }
    }
}

impl From<password::Error> for Error {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Busy { .. } => Self::Busy,
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
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Done<T> {
    #[serde(flatten)]
    pub view: T,
    /// A new secret, in clear: it can never be shown again.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::secret::exposed::option")]
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<Secret>,
    /// What the administrator should know about the change.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl<T> Done<T> {
    fn plain(view: T) -> Self {
        Self { view, client_secret: None, notes: Vec::new() }
    }
}

impl Admin {
    /// Administration beside a running issuer, in the same process.
    pub fn at(provider: &Arc<Provider>, actor: &str, origin: Origin) -> Self {
        Self {
            store: provider.store.clone(),
            clock: provider.clock.clone(),
            entropy: provider.entropy.clone(),
            keys: provider.keys.clone(),
            passwords: provider.passwords.clone(),
            actor: actor.to_owned(),
            origin,
            provider: Some(provider.clone()),
            expected_versions: None,
            named: None,
        }
    }

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

    /// # Errors
    /// [`Error::Changed`] when `view` is not what the administrator saw before it decided on a change.
    fn check_version(&self, view: &impl Answer) -> Result<(), Error> {
        match (&self.expected_versions, view.version()) {
            (Some(expected), Some(version)) if !expected.contains(&version) => Err(Error::Changed),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// Where only the database is at hand.
    fn provider(&self) -> Result<&Provider, Error> {
        self.provider.as_deref().ok_or_else(|| Error::Refused("the issuer is not running here".to_owned()))
    }

    /// Now, as revocations need it.
    async fn moment(&self, connection: &mut Connection) -> Result<Moment, Error> {
        let now = self.clock.now();
        Ok(Moment { now, retention: stored_settings::load(connection).await?.retention_at(now) })
    }
}

/// Names what a view shows: equal for equal contents.
pub(crate) fn version_of(view: &impl Serialize) -> String {
    let json = serde_json::to_vec(view).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &json);
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

/// Rows that are read from the database at once.
const PAGE: i64 = 500;

/// Everything of a list that is read in pages: `page` answers what lies behind a key, at most so many.
async fn every<T, K>(
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
