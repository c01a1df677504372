//! The server process under its supervisor, a small shell that outlives the test process just long enough to clean up.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::binaries::Binaries;
use super::directory::Directory;

/// Part of the name of the socket, where that is the only way in.
pub const SOCKET_PORT: u16 = 5432;

/// Durability is what the tests can do without; `synchronous_commit` stays, so that killing the server loses nothing.
/// No address to listen on unless a test asks for one: the socket in the directory is the only way in. Shared memory lies
/// in the directory as well, so that it goes with it.
pub const SETTINGS: [&str; 9] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=200",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "dynamic_shared_memory_type=mmap",
    "max_wal_size=256MB",
    "timezone=UTC",
];

/// Dropping it stops the server at once and removes its directory.
pub struct Server {
    directory: PathBuf,
    supervisor: Child,
    /// Its closing, which the death of this process is enough for, tells the supervisor to clean up.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on new data, which listens on `port` of 127.0.0.1 as well if that is not [`SOCKET_PORT`]. With
    /// `until_exit_of`, the server lives as long as that process instead of this one, and takes no commands.
    ///
    /// # Panics
    /// When the server cannot be started.
    pub fn start(binaries: &Binaries, port: u16, until_exit_of: Option<u32>) -> Self {
        let directory = Directory::new();
        initialize(binaries, &directory);

        let mut shell = Command::new("sh");
        shell.args(["-c", include_str!("supervisor.sh"), "supervisor"]);
        shell.arg(&directory.path);
        shell.arg(until_exit_of.map_or_else(String::new, |id| id.to_string()));
        shell.arg(binaries.postgres()).arg("-D").arg(directory.path.join("data")).arg("-k").arg(&directory.path);
        shell.args(["-p", &port.to_string()]).args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        if port != SOCKET_PORT {
            shell.args(["-c", "listen_addresses=127.0.0.1"]);
        }
        if let Some(account) = directory.account {
            account.run(&mut shell);
        }
        // A group of its own: an interrupt typed at the terminal is for the tests, and the supervisor follows them.
        shell.process_group(0).current_dir("/");
        // The standard error is the directory's lock, which the supervisor thus holds for as long as it lives.
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(directory.lock);
        let mut supervisor = shell.spawn().expect("starting the supervisor of the test server");

        let commands = supervisor.stdin.take();
        let answers = BufReader::new(supervisor.stdout.take().expect("the supervisor's output is a pipe"));
        let mut server = Self { directory: directory.path, supervisor, commands, answers };
        server.expect_answer("started");
        server
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn supervisor_id(&self) -> u32 {
        self.supervisor.id()
    }

    /// Gives up the server, which does not end with this process, and returns where it is.
    pub fn leave_running(self) -> PathBuf {
        let mut server = std::mem::ManuallyDrop::new(self);
        std::mem::take(&mut server.directory)
    }

    /// Kills the server. Returns when it has gone.
    pub fn stop(&mut self) {
        self.command("stop", "stopped");
    }

    /// Returns when the process is there again, which is before it answers.
    pub fn restart(&mut self) {
        self.command("start", "started");
    }

    fn command(&mut self, command: &str, answer: &str) {
        let pipe = self.commands.as_mut().expect("the pipe is closed by the drop alone");
        writeln!(pipe, "{command}").expect("the supervisor of the test server has died");
        self.expect_answer(answer);
    }

    fn expect_answer(&mut self, answer: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("reading the supervisor's answer");
        assert_eq!(line.trim_end(), answer, "from the supervisor of {}", self.directory.display());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.supervisor.wait();
    }
}

fn initialize(binaries: &Binaries, directory: &Directory) {
    let mut initdb = binaries.initdb();
    initdb.arg("-D").arg(directory.path.join("data"));
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    if let Some(account) = directory.account {
        account.run(&mut initdb);
    }
    let output = initdb.current_dir("/").output().expect("running initdb");
    if !output.status.success() {
        let _ = std::fs::remove_dir_all(&directory.path);
        panic!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
}
