//! What the tests stand on. Each file owns one thing a test needs and knows nothing of the rules under test.

pub mod administration;
pub mod app;
pub mod authority;
pub mod balancer;
pub mod bulk;
pub mod cluster;
pub mod collector;
pub mod disclosure;
pub mod frames;
pub mod guesses;
pub mod limited;
pub mod pebble;
pub mod pooler;
pub mod program;
pub mod receiver;
pub mod recorded;
pub mod sql;
pub mod usage;

/// Where a program of the system is that some tests run. `None` where it is missing: they are skipped, with a warning that
/// cannot be missed.
pub fn installed(program: &str) -> Option<std::path::PathBuf> {
    use std::io::Write as _;
    let folders = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
    let found = folders.iter().map(|folder| std::path::Path::new(folder).join(program)).find(|file| file.is_file());
    if found.is_none() {
        let warning = format!("no {program} found: the tests with it ARE SKIPPED. Install your system's package.");
        // Written past the capture of `cargo test`, which would hide it in a passing test.
        let _ = writeln!(std::io::stderr(), "\n*** WARNING ***\n{warning}\n");
    }
    found
}
