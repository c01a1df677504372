//! A PostgreSQL primary and its synchronous standby, by streaming replication: a commit is answered when both have it on disk
//! (`synchronous_commit = on`), so that a failover loses nothing that was answered.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{Failure, output_of};
use crate::node::Node;
use crate::postgres::{programs, unprivileged_user};

/// How long the standby may take to follow.
const FOLLOWING: Duration = Duration::from_secs(30);

pub struct Pair {
    primary: Node,
    standby: Node,
    /// Both ports, in the order of the start: what is in a URL does not change at a failover.
    ports: [u16; 2],
    pub version: String,
}

impl Pair {
    /// Creates both in `folder`, which is created.
    pub async fn start(folder: PathBuf) -> Result<Self, Failure> {
        let programs = programs().await?;
        let user = unprivileged_user()?;
        fs::create_dir(&folder).map_err(Failure::io(format!("creating {}", folder.display())))?;
        if let (Some(user), Some(parent)) = (user, folder.parent()) {
            chown(&folder, Some(user.uid), Some(user.gid)).map_err(Failure::io("giving the clusters' folder away"))?;
            // The other user must pass through, not look.
            fs::set_permissions(parent, fs::Permissions::from_mode(0o711))
                .map_err(Failure::io(format!("opening {}", parent.display())))?;
        }
        let mut version = Command::new(programs.join("postgres"));
        version.arg("--version");
        let version = output_of(version, "").await?.trim().replace("postgres (PostgreSQL)", "PostgreSQL");
        let mut primary = Node::new("one", &folder, &programs, user)?;
        let standby = Node::new("two", &folder, &programs, user)?;
        primary.create().await?;
        primary.start().await?;
        let mut pair = Self { ports: [primary.port, standby.port], primary, standby, version };
        pair.add_standby().await?;
        Ok(pair)
    }

    /// As an application is to have it: both hosts, and the one that takes writes.
    pub fn url(&self, database: &str) -> String {
        let [one, two] = self.ports;
        format!(
            "postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/{database}\
             ?target_session_attrs=read-write&sslmode=disable"
        )
    }

    pub async fn create_database(&self, name: &str) -> Result<(), Failure> {
        Ok(self.primary.connect("postgres").await?.batch_execute(&format!("CREATE DATABASE {name}")).await?)
    }

    /// A fast restart, as after a change of its configuration.
    pub async fn restart(&mut self) -> Result<(), Failure> {
        self.primary.stop("INT").await;
        self.primary.start().await
    }

    /// The primary dies without a chance to do anything, and the standby takes over.
    pub async fn fail_over(&mut self) -> Result<(), Failure> {
        self.primary.stop("QUIT").await;
        self.standby.connect("postgres").await?.batch_execute("SELECT pg_promote(true, 30)").await?;
        std::mem::swap(&mut self.primary, &mut self.standby);
        Ok(())
    }

    /// Makes the node that is down the standby, and lets commits wait for it from now on.
    pub async fn add_standby(&mut self) -> Result<(), Failure> {
        self.standby.copy(&self.primary).await?;
        self.standby.start().await?;
        let client = self.primary.connect("postgres").await?;
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await?;
        client.batch_execute("SELECT pg_reload_conf()").await?;
        let since = Instant::now();
        let is_followed = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        while client.query(is_followed, &[]).await?.is_empty() {
            if since.elapsed() > FOLLOWING {
                let log = "it does not follow the primary".to_owned();
                return Err(Failure::NotReady { what: "the standby", seconds: FOLLOWING.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
