//! The built program on a database of its own: its commands, and `signet serve` with its log in a file.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::app::{Backend, migrate};
use super::cluster;

const LONGEST_START: Duration = Duration::from_secs(60);

pub struct Program {
    folder: tempfile::TempDir,
    database: Option<cluster::Database>,
    variables: Vec<(String, String)>,
}

/// What came of a command.
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A running `signet serve`, killed when dropped.
pub struct Serving {
    pub base: String,
    log: PathBuf,
    child: Child,
}

impl Program {
    /// With a master key. `None` where there is no PostgreSQL.
    pub fn new(backend: Backend) -> Option<Self> {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(cluster::shared()?.database(migrate)),
        };
        let program = Self { folder: tempfile::tempdir().unwrap(), database, variables: Vec::new() };
        let created = program.run("", &["master-key", "create"]);
        assert_eq!(created.status, 0, "{}", created.stderr);
        Some(program)
    }

    /// With a variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}", self.sqlite_file().display()),
        }
    }

    pub fn sqlite_file(&self) -> PathBuf {
        self.folder.path().join("data/signet.db")
    }

    pub fn master_key_file(&self) -> PathBuf {
        self.folder.path().join("keys/master.key")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
        command
            .args(arguments)
            .env_clear()
            .env("SIGNET_DATA_DIR", self.folder.path().join("data"))
            .env("SIGNET_DATABASE_URL", self.database_url())
            .env("SIGNET_MASTER_KEY_FILE", self.master_key_file())
            .env("SIGNET_ISSUER", "http://127.0.0.1:8443")
            .env("SIGNET_TLS", "off")
            .env("SIGNET_LISTEN", "127.0.0.1:0")
            .env("SIGNET_ADMIN_LISTEN", "127.0.0.1:0")
            .env("SIGNET_LOG", "trace")
            .env("SIGNET_LOG_FORMAT", "json")
            .envs(self.variables.iter().cloned());
        command
    }

    /// Carries out a command with `input` on its standard input.
    pub fn run(&self, input: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        // A command that asks for nothing may have ended before it is told anything.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("the end of the program");
        Outcome {
            status: output.status.code().expect("a status"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Starts `signet serve`, which logs everything there is to log.
    pub fn serve(&self) -> Serving {
        let log = self.folder.path().join("serve.log");
        let file = std::fs::File::create(&log).expect("a log file");
        let mut command = self.command(&["serve"]);
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().expect("a handle")).stderr(file).spawn();
        let mut serving = Serving { base: String::new(), log, child: child.expect("the program") };
        let began = Instant::now();
        while serving.base.is_empty() {
            assert!(began.elapsed() < LONGEST_START, "it does not start:\n{}", serving.log());
            std::thread::sleep(Duration::from_millis(20));
            let log = serving.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let ready = lines
                .filter(|line| line["message"] == "ready")
                .find_map(|line| Some(line["address"].as_str()?.to_owned()));
            serving.base = ready.map(|address| format!("http://{address}")).unwrap_or_default();
        }
        serving
    }
}

impl Serving {
    /// What it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("the log")).into_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
