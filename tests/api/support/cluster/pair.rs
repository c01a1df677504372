//! A primary with a synchronous standby, for the tests of a failover.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::account::Account;
use super::connection::Connection;
use super::server::SETTINGS;
use super::{Cluster, free_port, installed};

const BOUND: Duration = Duration::from_secs(60);

/// Two servers with the same databases. Every commit at the first is on the second before it is acknowledged.
pub struct Pair {
    standby: Child,
    connection: Connection,
    directory: PathBuf,
    port: u16,
    /// Last, since its directory is around the other's.
    primary: Cluster,
}

impl Pair {
    /// `None` where there is no PostgreSQL.
    pub fn start() -> Option<Self> {
        let primary = Cluster::start_with_tcp()?;
        let directory = primary.directory().join("standby");
        let port = free_port();
        as_account(installed()?.program("pg_basebackup"), |backup| {
            backup.arg("-D").arg(&directory).arg("-h").arg(primary.directory());
            backup.args(["-p", &primary.port().to_string(), "-U", "postgres"]);
            backup.args(["-R", "-X", "stream", "-c", "fast", "--no-sync"]);
            let output = backup.output().expect("running pg_basebackup");
            assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        });
        let log = std::fs::File::create(primary.directory().join("standby.log")).expect("the standby's log");
        let standby = as_account(Command::new(installed()?.postgres()), |server| {
            server.arg("-D").arg(&directory).arg("-k").arg(primary.directory()).args(["-p", &port.to_string()]);
            server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
            server.args(["-c", "listen_addresses=127.0.0.1", "-c", "wal_receiver_status_interval=1s"]);
            server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            server.spawn().expect("starting the standby")
        });
        let connection = Connection::to(format!("postgres://postgres@127.0.0.1:{port}/postgres"));
        let pair = Self { standby, connection, directory, port, primary };
        pair.connection.wait_until_answered(pair.primary.directory());
        pair.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
        pair.primary.execute("SELECT pg_reload_conf()");
        let synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        let began = Instant::now();
        while pair.primary.execute(synchronous).is_none() {
            assert!(began.elapsed() < BOUND, "the standby does not follow");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(pair)
    }

    pub fn primary(&self) -> &Cluster {
        &self.primary
    }

    /// A database of either, by both hosts; the standby is the first, where it must be passed by.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{database}", self.port, self.primary.port())
    }

    /// The primary dies, without a chance to finish anything.
    pub fn kill_primary(&self) {
        self.primary.stop_server();
    }

    /// Makes the standby the primary. Returns when it takes writes.
    pub fn promote(&self) {
        let promoted = self.execute("SELECT pg_promote(true, 60)");
        assert_eq!(promoted.as_deref(), Some("t"), "in {}", self.directory.display());
    }

    /// Executes one statement at the standby.
    pub fn execute(&self, sql: &str) -> Option<String> {
        self.connection.execute(sql.to_owned()).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = Command::new("sh").args(["-c", &format!("kill -QUIT {}", self.standby.id())]).status();
        let _ = self.standby.wait();
    }
}

/// Runs a server program as whoever may run it.
pub fn as_account<T>(mut command: Command, run: impl FnOnce(&mut Command) -> T) -> T {
    let ours = tempfile::NamedTempFile::new().expect("a file of our own");
    if let Some(account) = Account::in_place_of_root(ours.path()) {
        account.run(&mut command);
    }
    run(command.current_dir("/"))
}

/// Gives a folder to whoever [`as_account`] runs as.
pub fn give(path: &Path) {
    let ours = tempfile::NamedTempFile::new().expect("a file of our own");
    if let Some(account) = Account::in_place_of_root(ours.path()) {
        account.own(path);
    }
}
