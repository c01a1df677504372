//! The built program as a process: run to its end, or serving until it is told to stop or killed. Never unbounded.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use signet::config::Config;

use super::app::ISSUER;

/// Longer than anything takes on a busy machine; what lasts longer hangs.
const BOUND: Duration = Duration::from_secs(30);

/// The program with a folder and settings of its own; its database is an SQLite file unless a setting says otherwise.
pub struct Program {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What came of a command.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let variables = [
            ("SIGNET_ISSUER", ISSUER),
            ("SIGNET_LISTEN", "127.0.0.1:0"),
            ("SIGNET_ADMIN_LISTEN", "127.0.0.1:0"),
            ("SIGNET_TLS", "off"),
            ("SIGNET_DATA_DIR", &data),
            ("SIGNET_DATABASE_POOL_SIZE", "4"),
            ("SIGNET_WORKERS", "2"),
            ("SIGNET_SHUTDOWN_DELAY", "0"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, variables }
    }

    /// With one setting more, or another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in the data folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// What the program understands of its settings.
    pub fn config(&self) -> Config {
        Config::from_sources(self.variables.clone(), None).unwrap()
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let status = wait(&mut child).unwrap_or_else(|| {
            let _ = child.kill();
            panic!("`signet {}` does not end", arguments.join(" "))
        });
        Ended { status: status.code(), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }

    /// The document that a command prints which is carried out.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.status, Some(0), "{arguments:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// The words in which a command is refused.
    #[track_caller]
    pub fn refused(&self, status: i32, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), ""), "{arguments:?}: {}", ended.stderr);
        ended.stderr
    }

    /// Serves on a free port. Returns once requests are taken.
    ///
    /// # Panics
    /// With what the program says, when it does not come to that.
    pub fn serve(&self) -> Serving {
        let mut child = self.command(&["serve"]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, is_ready) = mpsc::channel();
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        // Reads on until the end: a full pipe would hold the program up.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(" address=") {
                    let _ = ready.send(format!("http://{}", rest.split(' ').next().unwrap_or_default()));
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        // The sender goes with the program's end, so this does not wait for what will not come.
        let base = is_ready.recv_timeout(BOUND);
        let mut serving = Serving { child, base: String::new(), log };
        serving.base = base.unwrap_or_else(|_| panic!("`signet serve` does not serve: {}", serving.log()));
        serving
    }

    /// Runs a command that is to be killed before its end.
    pub fn start(&self, arguments: &[&str]) -> Serving {
        let child = self.command(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Serving { child, base: String::new(), log: Arc::default() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
        command.args(arguments).env_clear().envs(self.variables.iter().cloned()).stderr(Stdio::piped());
        command
    }
}

/// A serving process. Dropping it kills it.
pub struct Serving {
    child: Child,
    /// Where it listens, as a URL.
    pub base: String,
    log: Arc<Mutex<String>>,
}

impl Serving {
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a chance to finish anything (SIGKILL), and returns when it has gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end by itself.
    #[track_caller]
    pub fn ended(mut self) -> ExitStatus {
        wait(&mut self.child).unwrap_or_else(|| panic!("`signet serve` does not stop: {}", self.log()))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None` when it has not ended within the bound.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < BOUND {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    let mut pipe = pipe.unwrap();
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// Puts a master key into a new file.
pub fn new_master_key(file: &Path) {
    signet::keys::master::create_file(file, &signet::entropy::Entropy::system()).unwrap();
}
