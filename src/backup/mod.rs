//! A whole issuer in one encrypted file: written from one state of a database, and read into an empty one of either kind.
//!
//! Inside the encryption (`age`) are lines of JSON (`document`). What the database keeps sealed under the master key is
//! in it sealed under a key of the backup's own, which stands in its first line: so a backup needs no master key to be
//! restored, and a private key is never in clear outside `keys`.

pub mod age;
mod create;
mod document;
mod file;
mod read;
mod restore;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use create::Creation;
pub use file::NewFile;
pub use read::Backup;
pub use restore::Restoration;

use crate::keys::master::MasterKeyError;
use crate::keys::reseal::{SigningKeyFault, Unopened};
use crate::secret::Secret;
use crate::store;
use age::AgeError;

/// In characters. All that guards the backup, wherever it is kept, against guessing without haste.
pub const SHORTEST_PASSPHRASE: usize = 15;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contents {
    pub created_at: DateTime<Utc>,
    /// The issuer that was configured where it was made.
    pub issuer: Option<String>,
    /// The version of the program that made it.
    pub signet: String,
    /// The newest migration of its database.
    pub migration: String,
    /// By table.
    pub rows: BTreeMap<String, u64>,
}

impl Contents {
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// Why a backup was not made or not read. Nothing has been written to a database then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the backup cannot be read: {0}")]
    Age(#[from] AgeError),
    #[error("the backup cannot be written: {0}")]
    Write(std::io::Error),
    #[error("the passphrase is shorter than {SHORTEST_PASSPHRASE} characters: five random words are a good one")]
    WeakPassphrase,
    #[error("what is encrypted is no backup of signet")]
    NotBackup,
    #[error("the backup has version {0} of its format, which this program does not know: restore it with a newer one")]
    NewerFormat(u32),
    #[error(
        "the backup was made by signet {signet}, whose database has migration {migration}, which this program does not \
         know: restore it with that version"
    )]
    NewerDatabase { signet: String, migration: String },
    #[error("the backup's line {line} is not what belongs there: {reason}")]
    Line { line: u64, reason: String },
    #[error("the backup's {table} have another checksum than it says")]
    Checksum { table: &'static str },
    #[error("the backup's own key is unusable: {0}")]
    Key(#[from] MasterKeyError),
    #[error("{0}: see `signet doctor`")]
    Unopened(#[from] Unopened),
    #[error("signing key {kid}: {fault}")]
    SigningKey { kid: String, fault: SigningKeyFault },
    #[error("the database is not empty: it has {rows} rows in {table}. A backup is restored into an empty one only")]
    NotEmpty { table: &'static str, rows: u64 },
    #[error("{table} differ after they were restored: the restoration was undone")]
    Differs { table: &'static str },
}

fn refuse_weak(passphrase: &Secret) -> Result<(), BackupError> {
    let long_enough = passphrase.expose().chars().count() >= SHORTEST_PASSPHRASE;
    if long_enough { Ok(()) } else { Err(BackupError::WeakPassphrase) }
}
