//! Finds the newest PostgreSQL server binaries on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest release that signet supports.
const OLDEST: u32 = 14;

/// A folder with `initdb` and `postgres` of one release.
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    pub fn initdb(&self) -> Command {
        Command::new(self.folder.join("initdb"))
    }

    /// One of its client programs.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }

    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Looks where Debian puts its releases side by side, then where `pg_config` says, then in `PATH`.
pub fn find() -> Option<Binaries> {
    let debian = || std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = debian().map(|release| release.path().join("bin")).chain(pg_config()).chain(path());
    folders.filter_map(|folder| supported(&folder)).max_by_key(|binaries| binaries.major)
}

fn pg_config() -> Option<PathBuf> {
    Some(PathBuf::from(output(Command::new("pg_config").arg("--bindir"))?.trim()))
}

/// A link in `PATH` is followed: `postgres` finds its other files relative to where it really is.
fn path() -> Vec<PathBuf> {
    let path = super::environment("PATH").unwrap_or_default();
    let real = |folder: PathBuf| Some(folder.join("postgres").canonicalize().ok()?.parent()?.to_owned());
    std::env::split_paths(&path).filter_map(real).collect()
}

fn supported(folder: &Path) -> Option<Binaries> {
    let binaries = Binaries { folder: folder.to_owned(), major: 0 };
    if !folder.join("initdb").is_file() {
        return None;
    }
    let major = major(&output(Command::new(binaries.postgres()).arg("--version"))?)?;
    (major >= OLDEST).then_some(Binaries { major, ..binaries })
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` or `… 18beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[test]
fn the_major_release_is_read_from_every_form_of_version() {
    assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
    assert_eq!(major("postgres (PostgreSQL) 9.6.24\n"), Some(9));
    assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
    assert_eq!(major("sqlite3 3.40.1\n"), None);
}
