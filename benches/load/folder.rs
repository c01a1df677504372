//! The folder that holds a benchmark's databases, removed at its end; by the next benchmark where it was killed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::failure::Failure;

const PREFIX: &str = "signet-load-";
/// Locked while the benchmark runs: the kernel releases it however that ends.
const LOCK: &str = "lock";

pub struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// A new folder in `directory`.
    pub fn create(directory: &Path) -> Result<Self, Failure> {
        sweep(directory);
        let doing = || Failure::io(format!("creating a folder in {}", directory.display()));
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(directory).map_err(doing())?;
        let lock = File::create_new(folder.path().join(LOCK)).map_err(doing())?;
        lock.lock().map_err(doing())?;
        Ok(Self { folder, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what killed benchmarks of this user left. What cannot be removed stays, and stands in nobody's way.
fn sweep(directory: &Path) {
    let own = fs::metadata("/proc/self").map(|own| own.uid()).ok();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let ours = entry.metadata().is_ok_and(|metadata| metadata.is_dir() && Some(metadata.uid()) == own);
        if !ours || !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        // No lock file: it is being created at this moment.
        if File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
