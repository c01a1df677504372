//! Files that only their owner can read. A new one is whole or it is not there, and nothing is ever overwritten: so a terminal
//! or another device, which exists, cannot be written to either.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::secret::Secret;

pub struct PrivateFile {
    path: PathBuf,
    file: File,
    is_whole: bool,
}

/// The whole of a small file that holds a secret.
///
/// # Errors
/// When it cannot be read, or others can read it, too.
pub fn read(path: &Path) -> Result<Secret, Failure> {
    let unusable = |why: String| Failure::Unusable(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let text = Secret::new(text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(unusable(format!("others can read it (mode {:o}): `chmod 600` it", mode & 0o777)));
        }
    }
    Ok(text)
}

/// A new file, empty, that is kept whatever becomes of it.
pub fn create_new(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => "name a file that does not exist yet",
            _ => "name a file in a folder that can be written",
        };
        Failure::Unusable(format!("{}: {error}: {advice}", path.display()))
    })
}

impl PrivateFile {
    /// Made before there is anything to write, so that nothing is asked for in vain.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = create_new(path)?;
        Ok(Self { path: path.to_owned(), file, is_whole: false })
    }

    /// Returns once the contents are on the disk.
    pub fn write(mut self, contents: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(contents).and_then(|()| self.file.sync_all());
        written.map_err(|error| Failure::Unusable(format!("{}: {error}", self.path.display())))?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if !self.is_whole {
            // What is left would be an empty or cut file: no harm, where it cannot be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        PrivateFile::create(&path).unwrap().write(b"contents").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"contents");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_exists_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, "other").unwrap();
        assert!(PrivateFile::create(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
    }

    #[test]
    fn a_file_that_was_not_written_is_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        drop(PrivateFile::create(&path).unwrap());
        assert!(!path.exists());
    }
}
