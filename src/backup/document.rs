//! What is inside a backup: a header, for each table a line that names it and its rows, and an end with checksums. One
//! JSON object a line.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Contents;
use crate::keys::master::{MasterKeyError, MasterKeyRing};
use crate::secret::Secret;

pub const FORMAT: &str = "signet backup";
pub const VERSION: u32 = 1;

/// The members by which a header of any version is known.
#[derive(Deserialize)]
pub struct Mark {
    pub format: String,
    pub version: u32,
}

/// It has no `Debug`, for it holds a key.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u32,
    signet: String,
    pub migration: String,
    issuer: Option<String>,
    created_at: DateTime<Utc>,
    pub rows: BTreeMap<String, u64>,
    /// A master key that only this backup has, in the form of the file.
    #[serde(with = "exposed")]
    key: Secret,
}

impl Header {
    pub fn new(contents: &Contents, key: &Secret) -> Self {
        let Contents { created_at, issuer, signet, migration, rows } = contents.clone();
        let key = key.clone();
        Self { format: FORMAT.to_owned(), version: VERSION, signet, migration, issuer, created_at, rows, key }
    }

    /// What it says, and the ring that opens what is sealed in the backup.
    pub fn into_parts(self) -> Result<(Contents, MasterKeyRing), MasterKeyError> {
        let ring = MasterKeyRing::from_text(&self.key)?;
        let Self { signet, migration, issuer, created_at, rows, .. } = self;
        Ok((Contents { created_at, issuer, signet, migration, rows }, ring))
    }
}

/// A secret in clear: here, and nowhere else, it is inside an encryption.
mod exposed {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::secret::Secret;

    pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        Ok(Secret::new(String::deserialize(deserializer)?))
    }
}

/// Begins the rows of a table.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    pub table: String,
}

/// The last line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Of each table's lines, in order: SHA-256 in hexadecimal digits.
    pub checksums: BTreeMap<String, String>,
}

/// The checksum of a table's lines, each with its end.
pub struct Checksum(Context);

impl Checksum {
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub fn add(&mut self, lines: &[u8]) {
        self.0.update(lines);
    }

    pub fn finish(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
