//! The issuer: two instances behind HAProxy, the witness beside it, and the command line, all on the pair of databases.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::balancer::Balancer;
use crate::caller::Caller;
use crate::client;
use crate::failure::{Failure, output_of};
use crate::ledger::{Kind, Ledger, Memory};
use crate::options::Options;
use crate::preparation::{self, Subjects};
use crate::process::Process;
use crate::schedule::Lifetimes;
use crate::server::{answers_ready, free_address};
use crate::supervised::Supervised;

const PROGRAM: &str = env!("CARGO_BIN_EXE_signet");
const START_LIMIT: Duration = Duration::from_secs(30);
/// HTTP workers of each instance.
const WORKERS: &str = "2";

pub struct Site {
    pub a: Instance,
    pub b: Instance,
    pub subjects: Subjects,
    witness: Instance,
    environment: Environment,
    balancer: Balancer,
    watch: Watch,
}

pub struct Instance {
    pub name: &'static str,
    address: SocketAddr,
    environment: Environment,
    watch: Watch,
    server: Option<Supervised>,
}

/// The processes that run, for whoever reads their memory.
pub type Watch = Arc<Mutex<Vec<(&'static str, Process, Instant)>>>;

/// What every instance and the command line have in common.
#[derive(Clone)]
pub struct Environment {
    folder: PathBuf,
    issuer: SocketAddr,
    database_url: String,
}

impl Site {
    /// Starts everything in `folder`, which is created.
    pub async fn start(
        folder: &Path,
        database_url: &str,
        options: &Options,
        lifetimes: &Lifetimes,
    ) -> Result<Self, Failure> {
        fs::create_dir(folder).map_err(Failure::io(format!("creating {}", folder.display())))?;
        preparation::create_master_key(&folder.join("master.key"))?;
        let issuer = free_address()?;
        let environment = Environment { folder: folder.to_owned(), issuer, database_url: database_url.to_owned() };
        let watch = Watch::default();
        let instance = |name| -> Result<Instance, Failure> {
            let (environment, watch) = (environment.clone(), watch.clone());
            Ok(Instance { name, address: free_address()?, environment, watch, server: None })
        };
        let (mut a, mut b, mut witness) = (instance("a")?, instance("b")?, instance("witness")?);
        // The first one migrates the database.
        a.start().await?;
        environment.run(&lifetimes.arguments()).await?;
        let subjects = preparation::create_subjects(|| environment.command(), options.sessions as usize).await?;
        b.start().await?;
        witness.start().await?;
        let balancer = Balancer::start(folder, issuer, [a.address, b.address]).await?;
        Ok(Self { a, b, subjects, witness, environment, balancer, watch })
    }

    /// Where HAProxy listens.
    pub fn issuer_address(&self) -> SocketAddr {
        self.balancer.address
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.balancer.address)
    }

    pub fn witness_address(&self) -> SocketAddr {
        self.witness.address
    }

    pub fn environment(&self) -> Environment {
        self.environment.clone()
    }

    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub async fn key_set(&self) -> Result<String, Failure> {
        let request = client::fetch(self.balancer.address, "/.well-known/jwks.json");
        let answer = Caller::new(self.balancer.address, &Arc::new(Ledger::new())).ask(Kind::KeySet, &request).await;
        answer.map_err(|lost| Failure::Unexpected { request: "the key set".into(), answer: lost.to_string() })
    }

    /// Copies the logs of the instances and of HAProxy to `folder`.
    pub fn keep_logs(&self, folder: &Path) -> Result<(), Failure> {
        let doing = || Failure::io(format!("copying logs to {}", folder.display()));
        fs::create_dir_all(folder).map_err(doing())?;
        let ours = self.environment.folder.as_path();
        let databases = ours.with_file_name("postgres");
        for entry in [ours, &databases].into_iter().flat_map(fs::read_dir).flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                fs::copy(entry.path(), folder.join(entry.file_name())).map_err(doing())?;
            }
        }
        Ok(())
    }
}

impl Instance {
    /// Starts it and waits until it is ready; gives how long that took.
    pub async fn start(&mut self) -> Result<Duration, Failure> {
        let started = Instant::now();
        let log = self.environment.folder.join(format!("{}.log", self.name));
        let server = Supervised::start(Path::new(PROGRAM), "TERM", &log, |command| {
            self.environment.apply(command.arg("serve")).env("SIGNET_LISTEN", self.address.to_string());
        })?;
        let process = server.process().clone();
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).push((self.name, process, started));
        while !answers_ready(self.address).await {
            if started.elapsed() > START_LIMIT || !server.process().runs() {
                let log = server.end_of_log();
                return Err(Failure::NotReady { what: "signet", seconds: START_LIMIT.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.server = Some(server);
        Ok(started.elapsed())
    }

    /// SIGKILL: it has no chance to do anything.
    pub async fn kill(&mut self) {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, ..)| *name != self.name);
        if let Some(server) = self.server.take() {
            // An error is a panic there, which nothing follows from: dropping it stops it, too.
            let _ = tokio::task::spawn_blocking(move || server.stop_by("KILL")).await;
        }
    }
}

impl Environment {
    /// A command of the command line, beside the instances.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.command();
        command.args(arguments);
        output_of(command, "").await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        self.apply(&mut command);
        command
    }

    /// Nothing of this process's environment goes on to signet.
    fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("SIGNET_ISSUER", format!("http://{}", self.issuer));
        command.env("SIGNET_ADMIN_LISTEN", "off").env("SIGNET_TLS", "off").env("SIGNET_WORKERS", WORKERS);
        // HAProxy says from where a request comes, and so does the load that goes past it.
        command.env("SIGNET_TRUSTED_PROXIES", "127.0.0.1").env("SIGNET_DATABASE_URL", &self.database_url);
        command.env("SIGNET_DATA_DIR", &self.folder).env("SIGNET_MASTER_KEY_FILE", self.folder.join("master.key"))
    }
}

/// Notes the memory of every instance, once a second.
pub async fn watch_memory(watch: Watch, ledger: Arc<Ledger>) {
    while !ledger.has_ended() {
        let at = ledger.now();
        for (instance, process, started) in watch.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A process that has just been killed has none.
            if let Ok(mib) = process.resident_mib() {
                ledger.book().memory.push(Memory { at, instance, age: started.elapsed(), mib });
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
