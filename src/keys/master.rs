//! The master key: the one secret outside the database, under which all the others in it are sealed (`seal`).
//!
//! A file of lines `signet-master-key-1:` + base64url of 32 bytes. The first key seals, all of them open, so that a
//! new key is put on top and the old one goes when nothing is sealed under it any more.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::secret::Secret;
pub use file::{add_key, create_file};

const PREFIX: &str = "signet-master-key-1:";

/// Says which master key sealed a value, without saying anything about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterKeyId(pub(super) [u8; 8]);

impl std::fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A 256-bit AES key.
#[derive(Debug)]
pub struct MasterKey {
    id: MasterKeyId,
    pub(super) aead: RandomizedNonceKey,
}

impl MasterKey {
    fn new(key: &[u8; 32]) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(b"signet master key id 1\0");
        hash.update(key);
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finish().as_ref()[..8]);
        let aead = RandomizedNonceKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key");
        Self { id: MasterKeyId(id), aead }
    }

    pub fn id(&self) -> MasterKeyId {
        self.id
    }
}

/// At least one master key.
#[derive(Debug)]
pub struct MasterKeyRing {
    pub(super) first: MasterKey,
    others: Vec<MasterKey>,
}

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("{} exists: a master key is never overwritten, what it sealed would be lost", .0.display())]
    Exists(PathBuf),
    #[error("{}, line {line}: not {PREFIX} and 32 bytes in base64url", .path.display())]
    Format { path: PathBuf, line: usize },
    #[error("key {number} of those given is not {PREFIX} and 32 bytes in base64url")]
    Given { number: usize },
    #[error("{} cannot be read or written", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{} exists: another `signet master-key add` is running, or one was interrupted; if none is, remove that file and \
         try again",
        .0.display()
    )]
    Unfinished(PathBuf),
    #[error("there is no master key at {}: restore the file from its backup (without it nothing sealed can be opened)", .0.display())]
    Missing(PathBuf),
    #[error("{} can be used by others than its owner (mode {mode:04o}): run `chmod 600` on it", .path.display())]
    Permissions { path: PathBuf, mode: u32 },
}

impl MasterKeyRing {
    /// Reads the file, once.
    ///
    /// # Errors
    /// When it is missing, malformed, or (on Unix) open to anyone but its owner.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        let text = file::read(path, file::Kind::Own)?;
        Self::parse(&text).map_err(|line| MasterKeyError::Format { path: path.into(), line })
    }

    /// Reads the file that systemd made for this unit: as [`load`](Self::load), but root may own it and let the unit's
    /// group read it.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_credential(path: &Path) -> Result<Self, MasterKeyError> {
        let text = file::read(path, file::Kind::Credential)?;
        Self::parse(&text).map_err(|line| MasterKeyError::Format { path: path.into(), line })
    }

    /// Understands keys that are not in a file, with white space of any kind between them.
    ///
    /// # Errors
    /// [`MasterKeyError::Given`].
    pub fn from_text(text: &Secret) -> Result<Self, MasterKeyError> {
        let lines = Zeroizing::new(text.expose().split_whitespace().collect::<Vec<_>>().join("\n"));
        Self::parse(&lines).map_err(|number| MasterKeyError::Given { number })
    }

    /// `Err` is the number of the first bad line. Blank lines are skipped.
    fn parse(text: &str) -> Result<Self, usize> {
        let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let mut keys =
            lines().map(|(index, line)| parse_line(line.trim()).ok_or(index + 1)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(1);
        }
        Ok(Self { first: keys.remove(0), others: keys })
    }

    /// The key that seals.
    pub fn first(&self) -> &MasterKey {
        &self.first
    }

    /// Every key, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub fn find(&self, id: MasterKeyId) -> Option<&MasterKey> {
        self.keys().find(|key| key.id == id)
    }
}

fn parse_line(line: &str) -> Option<MasterKey> {
    let encoded = line.strip_prefix(PREFIX)?;
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).ok()?);
    Some(MasterKey::new(bytes.as_slice().try_into().ok()?))
}

/// A line with a new master key, as the file holds it.
pub fn new_line(entropy: &Entropy) -> Secret {
    Secret::generate(PREFIX, entropy)
}

#[cfg(test)]
mod tests;
