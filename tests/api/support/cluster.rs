//! A private PostgreSQL for the tests: one server a test process, one database a test, nothing left afterwards.
//!
//! Here is what tests use; `cluster/` has the parts: finding the binaries, the data directory, the supervised server,
//! the SQL connection, and the sharing between the processes of `cargo nextest`.

mod account;
mod binaries;
mod connection;
mod directory;
mod nextest;
mod pair;
mod server;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

use binaries::Binaries;
use connection::Connection;
pub use pair::{Pair, as_account, give};
use server::{SOCKET_PORT, Server};

const TEMPLATE: &str = "signet_template";

/// Any number will do: it keeps two test processes from building the template at the same time.
const TEMPLATE_LOCK: u32 = 736_743;

/// The cluster that the tests of this run share, started at first use. `None` where there are no PostgreSQL binaries:
/// the PostgreSQL half of the suite is then skipped, with a warning that cannot be missed.
///
/// # Panics
/// With `CI=true` in place of that warning, and when PostgreSQL is there but does not start.
pub fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            let cluster = if nextest::is_running() { nextest::join_or_start() } else { Cluster::start() };
            cluster.map(|cluster| Cluster { shared: true, ..cluster })
        })
        .as_ref()
}

/// A running PostgreSQL server. Dropping it stops the server and removes its data.
pub struct Cluster {
    /// `None` where another process of the same nextest run started the server.
    server: Option<Mutex<Server>>,
    connection: Arc<Connection>,
    directory: PathBuf,
    port: u16,
    template_is_ready: Mutex<bool>,
    shared: bool,
}

impl Cluster {
    /// A server of the test's own, which it may stop. `None` as of [`shared`].
    pub fn start() -> Option<Self> {
        Self::start_at(SOCKET_PORT)
    }

    /// The same, which can also be reached by TCP: at [`port`](Self::port) of 127.0.0.1.
    pub fn start_with_tcp() -> Option<Self> {
        Self::start_at(free_port())
    }

    fn start_at(port: u16) -> Option<Self> {
        let server = Server::start(&installed()?, port, None);
        let directory = server.directory().to_owned();
        Some(Self::at(directory, port, Some(server)))
    }

    fn at(directory: PathBuf, port: u16, server: Option<Server>) -> Self {
        let connection = Arc::new(Connection::to(url(&directory, port, "postgres")));
        connection.wait_until_answered(&directory);
        let server = server.map(Mutex::new);
        Self { server, connection, directory, port, template_is_ready: Mutex::new(false), shared: false }
    }

    /// An outage: every connection breaks, as in a crash, and new ones are refused.
    pub fn stop_server(&self) {
        self.own_server().stop();
    }

    /// Ends the outage, at the same address, with all that was committed. Returns once the server answers.
    pub fn start_server(&self) {
        self.own_server().restart();
        self.connection.wait_until_answered(&self.directory);
    }

    /// A database of its own, a clone of the template. The cluster's first caller makes that by `migrate`, which is
    /// given the URL of an empty database; the closures of later callers are not called.
    pub fn database(&self, migrate: impl FnOnce(&str)) -> Database {
        let mut is_ready = lock(&self.template_is_ready);
        if !*is_ready {
            self.make_template(migrate);
            *is_ready = true;
        }
        drop(is_ready);
        self.create(TEMPLATE)
    }

    /// A database without a table, for the tests of the migrations.
    pub fn empty_database(&self) -> Database {
        self.create("template0")
    }

    /// Where the server keeps its data and its socket.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Executes one statement as the superuser, and returns the first value of its first row. Blocks.
    ///
    /// # Panics
    /// When the statement fails.
    pub fn execute(&self, sql: &str) -> Option<String> {
        self.connection.execute(sql.to_owned()).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The process that stops the server and removes its data when the test process has gone.
    pub fn supervisor_id(&self) -> u32 {
        self.own_server().supervisor_id()
    }

    fn make_template(&self, migrate: impl FnOnce(&str)) {
        let execute = |sql: String| self.connection.execute(sql).expect("making the template database");
        execute(format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})"));
        // A template is complete when it accepts no connections. One whose migration failed is made anew.
        let is_complete = format!("SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}' AND NOT datallowconn");
        if execute(is_complete).is_none() {
            execute(format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"));
            execute(format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0"));
            migrate(&url(&self.directory, self.port, TEMPLATE));
            execute(format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"));
            // PostgreSQL does not clone a database that someone is connected to, and pools close in their own time.
            execute(format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"
            ));
        }
        execute(format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})"));
    }

    fn create(&self, template: &str) -> Database {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        // The process is part of the name, for the clusters that several processes share.
        let name = format!("test_{}_{}", std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
        self.connection
            .execute(format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .unwrap_or_else(|error| panic!("cloning {template}: {error:?}"));
        Database { url: url(&self.directory, self.port, &name), name, connection: Arc::clone(&self.connection) }
    }

    fn own_server(&self) -> MutexGuard<'_, Server> {
        assert!(!self.shared, "other tests use the shared cluster: `Cluster::start` one of your own");
        lock(self.server.as_ref().expect("a cluster that is not shared has its server"))
    }
}

/// One test's database, dropped with this value even while connections to it are open.
pub struct Database {
    name: String,
    url: String,
    connection: Arc<Connection>,
}

impl Database {
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test may end during the outage it made; the cluster takes its databases with it.
        let _ = self.connection.execute(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn url(directory: &Path, port: u16, database: &str) -> String {
    let mut host = String::new();
    for byte in directory.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => host.push(char::from(*byte)),
            _ => host.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("postgres://postgres@{host}:{port}/{database}")
}

/// A port that nobody listens on: one below those that the system gives to outgoing connections, which come and go. The
/// server takes a second to get there, so each caller of each process begins to look elsewhere.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() % 10_000 * 32 + CALLS.fetch_add(1, Ordering::Relaxed);
    let ports = (0..10_000).map(|step| 20_000 + (first + step) % 10_000).filter_map(|port| u16::try_from(port).ok());
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.into_iter().find(is_free).expect("a free port for the test server")
}

/// A test that panicked while it held the lock has left nothing half done that the next one does not do again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server binaries, or the warning of what their absence means.
fn installed() -> Option<Binaries> {
    static WARNED: Once = Once::new();
    let found = binaries::find();
    if found.is_none() {
        let warning = "no PostgreSQL (>= 14) server binaries found: HALF OF THE TESTS, those on PostgreSQL, ARE SKIPPED.\n\
                       `make test` installs them on Debian; elsewhere install your system's PostgreSQL server.";
        assert!(environment("CI").as_deref() != Some("true"), "{warning}");
        // Written past the capture of `cargo test`, which would hide it in a passing test.
        WARNED.call_once(|| drop(writeln!(std::io::stderr(), "\n*** WARNING ***\n{warning}\n")));
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "how the tests were started is told by the environment alone")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
