//! One PostgreSQL server of the pair: its data folder, its port, and its process while it runs.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::failure::{Failure, output_of};
use crate::postgres::{User, become_user};
use crate::server::free_address;
use crate::supervised::Supervised;

const START_LIMIT: Duration = Duration::from_secs(30);

pub struct Node {
    pub port: u16,
    data: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    programs: PathBuf,
    user: Option<User>,
    server: Option<Supervised>,
}

impl Node {
    pub fn new(name: &str, folder: &Path, programs: &Path, user: Option<User>) -> Result<Self, Failure> {
        Ok(Self {
            port: free_address()?.port(),
            data: folder.join(name),
            folder: folder.to_owned(),
            log: folder.join(format!("{name}.log")),
            programs: programs.to_owned(),
            user,
            server: None,
        })
    }

    pub async fn create(&self) -> Result<(), Failure> {
        let mut initdb = self.command("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(&self.data);
        output_of(initdb, "").await.map(drop)
    }

    /// Makes this node a copy of `primary` that follows it, whatever it was before.
    pub async fn copy(&self, primary: &Self) -> Result<(), Failure> {
        if self.data.exists() {
            std::fs::remove_dir_all(&self.data).map_err(Failure::io("removing the old primary's data"))?;
        }
        let mut copy = self.command("pg_basebackup");
        copy.args(["--host=127.0.0.1", "--username=postgres", "--checkpoint=fast", "--wal-method=stream"]);
        copy.args(["--write-recovery-conf", "--port", &primary.port.to_string(), "--pgdata"]).arg(&self.data);
        output_of(copy, "").await?;
        // Once promoted it must not wait for a standby that is not there. The last of several lines counts.
        let path = self.data.join("postgresql.auto.conf");
        let file = OpenOptions::new().append(true).open(&path);
        let written = file.and_then(|mut file| writeln!(file, "synchronous_standby_names = ''"));
        written.map_err(Failure::io(format!("writing {}", path.display())))
    }

    /// Starts the server and waits until it takes connections.
    pub async fn start(&mut self) -> Result<(), Failure> {
        let (folder, data, port) = (&self.folder, &self.data, self.port);
        // SIGINT is PostgreSQL's fast shutdown, which does not wait for clients.
        let server = Supervised::start(&self.programs.join("postgres"), "INT", &self.log, |command| {
            become_user(command, folder, self.user).arg("-D").arg(data).arg("-k").arg(folder);
            command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=150"]);
            command.args(["-c", "wal_keep_size=256MB", "-c", "wal_retrieve_retry_interval=500ms"]);
        })?;
        let since = Instant::now();
        while let Err(error) = self.connect("postgres").await {
            if since.elapsed() > START_LIMIT || !server.process().runs() {
                let log = format!("{error}\n{}", server.end_of_log());
                return Err(Failure::NotReady { what: "PostgreSQL", seconds: START_LIMIT.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Stops the server by a signal (QUIT is an immediate shutdown, which leaves recovery to the next start), and waits for
    /// its end.
    pub async fn stop(&mut self, signal: &'static str) {
        if let Some(server) = self.server.take() {
            // An error is a panic there, which nothing follows from: dropping it stops it, too.
            let _ = tokio::task::spawn_blocking(move || server.stop_by(signal)).await;
        }
    }

    pub async fn connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}?connect_timeout=2", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        become_user(&mut command, &self.folder, self.user);
        command
    }
}
