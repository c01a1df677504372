//! The master key file: read by its owner alone, made and extended so that a crash never leaves half of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{MasterKeyError, MasterKeyId, MasterKeyRing, new_line};
use crate::entropy::Entropy;

/// No sane ring is longer; a wrong path to a huge file is not read into memory.
const MAX_LENGTH: u64 = 16 * 1024;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Own,
    /// systemd's, which gives the unit access by owner, or by an access control list that shows as the group's mode.
    Credential,
}

pub fn read(path: &Path, kind: Kind) -> Result<Zeroizing<String>, MasterKeyError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => MasterKeyError::Missing(path.into()),
        _ => MasterKeyError::Io { path: path.into(), source },
    })?;
    // Asked of the open file, not of the path, which could change in between.
    refuse_open_permissions(path, &file, kind)?;
    // Room from the start: a string that grows leaves unwiped copies behind.
    let mut text = Zeroizing::new(String::with_capacity(16 * 1024));
    file.take(MAX_LENGTH)
        .read_to_string(&mut text)
        .map_err(|source| MasterKeyError::Io { path: path.into(), source })?;
    Ok(text)
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
    let mut file = create_new(path).map_err(failed)?;
    let line = Zeroizing::new(format!("{}\n", new_line(entropy).expose()));
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    sync_directory(path).map_err(failed)
}

/// Puts a new key on top of the file, which is replaced as a whole: a crash leaves the old one or the new one, and a
/// reader sees one or the other. Returns the new key's id once it is on the disk.
///
/// # Errors
/// When the file is not one that [`MasterKeyRing::load`] takes, or cannot be replaced.
pub fn add_key(path: &Path, entropy: &Entropy) -> Result<MasterKeyId, MasterKeyError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MasterKeyError::Io { path, source }
    };
    // A link stays a link; what it leads to is replaced.
    let target = path.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => MasterKeyError::Missing(path.into()),
        _ => MasterKeyError::Io { path: path.into(), source },
    })?;
    let mut name = target.clone().into_os_string();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    // It also keeps a second process out, whose new key would be lost.
    let mut file = create_new(&unfinished).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => MasterKeyError::Unfinished(unfinished.clone()),
        _ => MasterKeyError::Io { path: unfinished.clone(), source },
    })?;
    let written = (|| {
        let old = read(&target, Kind::Own)?;
        let text = Zeroizing::new(format!("{}\n{}\n", new_line(entropy).expose(), old.trim_end()));
        let ring =
            MasterKeyRing::parse(&text).map_err(|line| MasterKeyError::Format { path: path.into(), line: line - 1 })?;
        file.write_all(text.as_bytes()).map_err(failed(&unfinished))?;
        keep_owner(&target, &file).map_err(failed(&unfinished))?;
        file.sync_all().map_err(failed(&unfinished))?;
        std::fs::rename(&unfinished, &target).map_err(failed(&target))?;
        Ok(ring.first().id())
    })();
    if written.is_err() {
        // It holds a key that nothing is sealed under. What matters is the error that comes before.
        let _ = std::fs::remove_file(&unfinished);
    }
    let id = written?;
    sync_directory(&target).map_err(failed(&target))?;
    Ok(id)
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What root adds a key to stays the server's file.
#[cfg(unix)]
fn keep_owner(old: &Path, new: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (old, now) = (std::fs::metadata(old)?, new.metadata()?);
    if (old.uid(), old.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
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
fn refuse_open_permissions(path: &Path, file: &File, kind: Kind) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let metadata = file.metadata().map_err(|source| MasterKeyError::Io { path: path.into(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    let is_systemds = kind == Kind::Credential && metadata.uid() == 0 && mode & 0o037 == 0;
    if mode & 0o077 == 0 || is_systemds { Ok(()) } else { Err(MasterKeyError::Permissions { path: path.into(), mode }) }
}

/// Elsewhere the directory's access control list decides.
#[cfg(not(unix))]
fn refuse_open_permissions(_: &Path, _: &File, _: Kind) -> Result<(), MasterKeyError> {
    Ok(())
}
