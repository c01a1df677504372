//! A private PostgreSQL cluster with the durability it has by default (fsync, full page writes, synchronous commit), its
//! data on disk, reached over a unix socket only.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::failure::{Failure, output_of};
use crate::process::Process;
use crate::supervised::Supervised;

const START_LIMIT: Duration = Duration::from_secs(30);

pub struct Cluster {
    folder: PathBuf,
    server: Supervised,
    pub version: String,
}

/// Whom PostgreSQL runs as instead of root, which it refuses.
#[derive(Clone, Copy)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

impl Cluster {
    /// Creates a cluster in `folder`, which is created, and starts its server.
    pub async fn start(folder: PathBuf) -> Result<Self, Failure> {
        let programs = programs().await?;
        let user = unprivileged_user()?;
        fs::create_dir(&folder).map_err(Failure::io(format!("creating {}", folder.display())))?;
        if let (Some(user), Some(parent)) = (user, folder.parent()) {
            chown(&folder, Some(user.uid), Some(user.gid)).map_err(Failure::io("giving the cluster's folder away"))?;
            // The other user must pass through, not look.
            fs::set_permissions(parent, fs::Permissions::from_mode(0o711))
                .map_err(Failure::io(format!("opening {}", parent.display())))?;
        }
        let mut version = Command::new(programs.join("postgres"));
        version.arg("--version");
        let version = output_of(version, "").await?.trim().replace("postgres (PostgreSQL)", "PostgreSQL");
        let data = folder.join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--pgdata"]).arg(&data);
        become_user(&mut initdb, &folder, user);
        output_of(initdb, "").await?;
        let log = folder.join("log");
        // SIGINT is PostgreSQL's fast shutdown, which does not wait for clients.
        let server = Supervised::start(&programs.join("postgres"), "INT", &log, |command| {
            become_user(command, &folder, user).arg("-D").arg(&data).arg("-k").arg(&folder);
            command.args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"]);
        })?;
        let cluster = Self { folder, server, version };
        let since = Instant::now();
        while let Err(error) = cluster.connect().await {
            if since.elapsed() > START_LIMIT || !cluster.server.process().runs() {
                let log = format!("{error}\n{}", cluster.server.end_of_log());
                return Err(Failure::NotReady { what: "PostgreSQL", seconds: START_LIMIT.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(cluster)
    }

    pub fn process(&self) -> &Process {
        self.server.process()
    }

    pub async fn create_database(&self, name: &str) -> Result<String, Failure> {
        self.connect().await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(name))
    }

    pub async fn execute(&self, database: &str, statements: &str) -> Result<(), Failure> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await?;
        tokio::spawn(connection);
        Ok(client.batch_execute(statements).await?)
    }

    fn url(&self, database: &str) -> String {
        let socket: String = url::form_urlencoded::byte_serialize(self.folder.as_os_str().as_encoded_bytes()).collect();
        format!("postgres://postgres@{socket}/{database}")
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

pub fn become_user<'a>(command: &'a mut Command, folder: &Path, user: Option<User>) -> &'a mut Command {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    // The folder this process is in may be closed to the other user.
    command.current_dir(folder)
}

/// The folder of `initdb` and `postgres`: the newest of Debian's, or the one `pg_config` names.
pub async fn programs() -> Result<PathBuf, Failure> {
    let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let complete = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    if let Some(newest) = installed.filter(|folder| complete(&folder.join("bin"))).max_by_key(version) {
        return Ok(newest.join("bin"));
    }
    let mut configured = Command::new("pg_config");
    configured.arg("--bindir");
    let configured = output_of(configured, "").await.ok().map(|path| PathBuf::from(path.trim()));
    configured.filter(complete).ok_or(Failure::PostgresMissing)
}

/// `None` where this process is not root and PostgreSQL runs as the same user.
pub fn unprivileged_user() -> Result<Option<User>, Failure> {
    let own = fs::metadata("/proc/self").map_err(Failure::io("reading the own user from /proc"))?;
    if own.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(Failure::io("reading /etc/passwd"))?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2);
        Some(User { uid: ids.next()?.parse().ok()?, gid: ids.next()?.parse().ok()? })
    };
    find("postgres").or_else(|| find("nobody")).map(Some).ok_or(Failure::NoUnprivilegedUser)
}
