//! The master key: the one secret outside the database, under which all the others in it are sealed (`seal`).
//!
//! A file of lines `signet-master-key-1:` + base64url of 32 bytes. The first key seals, all of them open, so that a
//! new key is put on top and the old one goes when nothing is sealed under it any more.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::secret::Secret;

const PREFIX: &str = "signet-master-key-1:";

/// No sane ring is longer; a wrong path to a huge file is not read into memory.
const MAX_FILE_LENGTH: u64 = 16 * 1024;

/// Says which master key sealed a value, without saying anything about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    #[error("{} cannot be read or written", .path.display())]
    Io { path: PathBuf, source: io::Error },
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
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => MasterKeyError::Missing(path.into()),
            _ => MasterKeyError::Io { path: path.into(), source },
        })?;
        // Asked of the open file, not of the path, which could change in between.
        refuse_open_permissions(path, &file)?;
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_FILE_LENGTH)
            .read_to_string(&mut text)
            .map_err(|source| MasterKeyError::Io { path: path.into(), source })?;
        Self::parse(&text).map_err(|line| MasterKeyError::Format { path: path.into(), line })
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

    pub fn find(&self, id: MasterKeyId) -> Option<&MasterKey> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id == id)
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

/// Writes a new file with one new key, for its owner alone, and returns once it is on the disk: from then on it must not
/// be lost.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create_file(path: &Path, entropy: &Entropy) -> Result<(), MasterKeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => MasterKeyError::Exists(path.into()),
        _ => MasterKeyError::Io { path: path.into(), source },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let line = Zeroizing::new(format!("{}\n", new_line(entropy).expose()));
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    sync_directory(path).map_err(failed)
}

/// A new name is durable only when its directory is.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn refuse_open_permissions(path: &Path, file: &File) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| MasterKeyError::Io { path: path.into(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(MasterKeyError::Permissions { path: path.into(), mode }) }
}

/// Elsewhere the directory's access control list decides.
#[cfg(not(unix))]
fn refuse_open_permissions(_: &Path, _: &File) -> Result<(), MasterKeyError> {
    Ok(())
}

#[cfg(test)]
mod tests;
