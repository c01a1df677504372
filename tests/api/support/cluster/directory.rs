//! The directory of one cluster: in memory where there is room, marked by a lock as long as somebody answers for it,
//! and swept by a later run when nobody does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::{self, Account};

const PREFIX: &str = "signet-pg-";
const UNLOCKED_PREFIX: &str = "signet-new-pg-";
const LOCK: &str = "supervisor.log";

/// A hundred databases of 8 MB at a time, and as much again for the write-ahead log. (A container's /dev/shm is often
/// 64 MB.)
const ROOM_IN_KILOBYTES: u64 = 1_600_000;

/// A new directory.
pub struct Directory {
    pub path: PathBuf,
    /// In whose name the server must run.
    pub account: Option<Account>,
    /// Whoever holds this file open answers for the directory.
    pub lock: File,
}

impl Directory {
    pub fn new() -> Self {
        let folders = [PathBuf::from("/dev/shm"), std::env::temp_dir(), PathBuf::from("/tmp")];
        let has_room = |folder: &PathBuf| !folder.starts_with("/dev/shm") || kilobytes_free(folder) > ROOM_IN_KILOBYTES;
        let made = folders.iter().filter(|folder| has_room(folder)).find_map(|folder| Self::within(folder));
        made.unwrap_or_else(|| panic!("none of {folders:?} can take the test server's data"))
    }

    fn within(folder: &Path) -> Option<Self> {
        sweep(folder);
        let new = tempfile::Builder::new().prefix(UNLOCKED_PREFIX).tempdir_in(folder).ok()?;
        let account = Account::in_place_of_root(new.path());
        if account.is_some() && !account::is_reachable_by_all(folder) {
            return None;
        }
        let lock = File::create(new.path().join(LOCK)).ok()?;
        lock.lock().ok()?;
        if let Some(account) = account {
            account.own(new.path());
        }
        // Only now does it get the name that the sweep of another process looks for.
        let unique = new.path().file_name()?.to_str()?.strip_prefix(UNLOCKED_PREFIX)?;
        let path = folder.join(format!("{PREFIX}{unique}"));
        fs::rename(new.path(), &path).ok()?;
        let _ = new.keep();
        Some(Self { path, account, lock })
    }
}

/// Removes what runs have left whose supervisor could not, being killed as well. Directories of other users stay.
fn sweep(folder: &Path) {
    let is_cluster = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX))
            && fs::symlink_metadata(path).is_ok_and(|data| data.is_dir())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for stale in entries.map(|entry| entry.path()).filter(is_cluster).filter(|path| is_abandoned(path)) {
        kill_orphan(&stale);
        let _ = fs::remove_dir_all(stale);
    }
}

fn is_abandoned(cluster: &Path) -> bool {
    let lock = cluster.join(LOCK);
    // Another user may put anything there: opening a named pipe would wait for ever.
    let is_file = fs::symlink_metadata(&lock).is_ok_and(|data| data.is_file());
    is_file && File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok())
}

/// A server without a supervisor. Its number may belong to another process by now, so its command line must agree.
/// (Where there is no /proc, the server ends by itself within a minute: it watches its directory.)
fn kill_orphan(cluster: &Path) {
    let recorded = fs::read_to_string(cluster.join("data/postmaster.pid")).unwrap_or_default();
    let Some(Ok(id)) = recorded.lines().next().map(str::parse::<u32>) else { return };
    let command_line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    if String::from_utf8_lossy(&command_line).contains(&*cluster.to_string_lossy()) {
        let _ = Command::new("sh").args(["-c", &format!("kill -QUIT {id}")]).status();
    }
}

fn kilobytes_free(folder: &Path) -> u64 {
    let output = Command::new("df").arg("-Pk").arg(folder).output().map(|output| output.stdout).unwrap_or_default();
    let table = String::from_utf8_lossy(&output);
    table.lines().nth(1).and_then(|row| row.split_whitespace().nth(3)?.parse().ok()).unwrap_or(0)
}
