//! A file that has its name only when it is complete: for its owner alone, never over another.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::entropy::Entropy;

/// A file that is being written. Dropping it removes it.
pub struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    file: Option<BufWriter<File>>,
}

impl NewFile {
    /// # Errors
    /// `AlreadyExists` where there is one of this name.
    pub fn create(path: &Path, entropy: &Entropy) -> io::Result<Self> {
        refuse_existing(path)?;
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        let unique = u32::from_le_bytes(entropy.bytes());
        let partial = path.with_file_name(format!(".{}.{unique:08x}.partial", name.to_string_lossy()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = Some(BufWriter::new(options.open(&partial)?));
        Ok(Self { path: path.to_owned(), partial, file })
    }

    /// Gives the file its name once everything is on the disk; answers its length in bytes.
    pub fn commit(mut self) -> io::Result<u64> {
        let Some(file) = self.file.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let file = file.into_inner()?;
        file.sync_all()?;
        let length = file.metadata()?.len();
        refuse_existing(&self.path)?;
        std::fs::rename(&self.partial, &self.path)?;
        #[cfg(unix)]
        {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(length)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already once it has its name. What is left of it otherwise is encrypted.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn refuse_existing(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of this name, which is not replaced",
        ));
    }
    Ok(())
}
