//! Debian's PgBouncer in transaction mode, in front of the tests' PostgreSQL.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cluster::{as_account, free_port, give};

/// A pooler with few server connections, so that transactions of one client really go to different ones.
pub struct Pooler {
    process: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Pooler {
    /// `None`, said loudly, where the program is missing.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(host: &Path, port_of_host: u16) -> Option<Self> {
        let program = super::installed("pgbouncer")?;
        let folder = tempfile::Builder::new().prefix("signet-pooler-").tempdir_in("/tmp").unwrap();
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host={} port={port_of_host}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\nauth_file =\npool_mode = transaction\ndefault_pool_size = 5\n\
             server_round_robin = 1\nmax_client_conn = 200\nlogfile = {}/log\n",
            host.display(),
            folder.path().display()
        );
        let settings = settings.replace("* = host", "* = user=postgres host").replace("auth_file =\n", "");
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        give(folder.path());
        give(&file);
        let process = as_account(Command::new(program), |pooler| {
            pooler.arg("-q").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            pooler.spawn().expect("starting pgbouncer")
        });
        let pooler = Self { process, folder, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "pgbouncer does not start: {}", pooler.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(pooler)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}
