//! What can stop the benchmark. (A failed request does not: it is counted.)

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

/// No command of the preparation takes longer; initdb takes one second.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("`{command}` ended with {status}:\n{output}")]
    Command { command: String, status: ExitStatus, output: String },
    #[error("{what} ended, or was not ready within {seconds} s; the end of its log:\n{log}")]
    NotReady { what: &'static str, seconds: u64, log: String },
    #[error("{request} was answered with something else than expected: {answer}")]
    Unexpected { request: String, answer: String },
    #[error("PostgreSQL's programs (initdb, postgres) were not found")]
    PostgresMissing,
    #[error("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` to run it as")]
    NoUnprivilegedUser,
    #[error("the database: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the reference server's database: {0}")]
    Reference(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the reference server's key could not be generated")]
    Key,
    #[error("{} says nothing of {what}", path.display())]
    Proc { path: PathBuf, what: &'static str },
    #[error("one processor cannot be divided: leave out --apart")]
    OneProcessor,
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// For `map_err`: says what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Runs `command` to its end, with `input` as its standard input, and gives what it wrote to standard output.
pub async fn output_of(mut command: Command, input: &str) -> Result<String, Failure> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(Failure::io(format!("starting `{shown}`")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends without reading its input says why in its exit status.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = timeout(COMMAND_LIMIT, child.wait_with_output()).await.map_err(io::Error::from);
    let output = output.flatten().map_err(Failure::io(format!("running `{shown}`")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(Failure::Command { command: shown, status: output.status, output: text(&output.stderr) })
}
