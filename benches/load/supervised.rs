//! A child process that ends with this one, however this one ends.
//!
//! Between the two stands a shell that waits for the end of its standard input, a pipe only this process holds: at its
//! end (drop, panic or `kill -9`) the shell stops the child and, where that takes over ten seconds, kills it. A line that
//! comes before the end is the signal to stop it by.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;
use crate::process::Process;

const SUPERVISOR: &str = r#"
signal=$1 log=$2
shift 2
"$@" </dev/null >>"$log" 2>&1 &
child=$!
echo "$child"
read -r told
kill -s "${told:-$signal}" "$child" 2>/dev/null
waited=0
while [ "$waited" -lt 100 ] && kill -0 "$child" 2>/dev/null; do
    sleep 0.1
    waited=$((waited + 1))
done
kill -s KILL "$child" 2>/dev/null
wait
"#;

pub struct Supervised {
    supervisor: Child,
    process: Process,
    log: PathBuf,
}

impl Supervised {
    /// Starts `program`, whose output goes to the file `log`; `signal` is what stops it. `configure` adds arguments,
    /// environment and user.
    pub fn start(
        program: &Path,
        signal: &str,
        log: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Self, Failure> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SUPERVISOR, "supervisor", signal]).arg(log).arg(program);
        configure(&mut command);
        // Its own process group: an interrupt from the terminal must not reach the shell before its child is stopped.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).process_group(0);
        let mut supervisor =
            command.spawn().map_err(Failure::io(format!("starting a supervisor of {}", program.display())))?;
        let mut line = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Failure::io("reading the supervisor's answer"))?;
        }
        let process = Process::new(line.trim());
        Ok(Self { supervisor, process, log: log.to_owned() })
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops the child by another signal than that of its start, and waits for its end.
    pub fn stop_by(mut self, signal: &str) {
        if let Some(stdin) = &mut self.supervisor.stdin {
            // A supervisor that is gone has stopped the child already.
            let _ = writeln!(stdin, "{signal}");
        }
    }

    /// The last lines the child wrote.
    pub fn end_of_log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // An error leaves nothing to do: the shell has seen the end of its input in any case.
        let _ = self.supervisor.wait();
    }
}
