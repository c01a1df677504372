//! Bringing the database to this program's schema, one process at a time.

use std::path::Path;

use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::{Connection as _, ConnectionError};
use diesel_async::{
    AnsiTransactionManager, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection as _,
    TransactionManager as _,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::backend::{Database, PRAGMAS, Target, pooler};
use super::{Error, Store};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Serialises migrations of one PostgreSQL database: "sgntmigr".
const LOCK: i64 = 0x7367_6e74_6d69_6772;

/// Where a database's schema stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Schema {
    /// As this program wants it; `applied` migrations were run just now.
    Current { applied: usize },
    /// `applied` migrations were run at some time, and this program would run `pending` more.
    Behind { applied: usize, pending: usize },
    /// The database has a migration that this program does not know: a newer signet made it.
    Newer { unknown: String },
}

/// What to do with the migrations of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Look,
    Run,
    Revert,
}

/// The versions of the migrations that this program has, the oldest first.
pub fn known() -> Result<Vec<String>, Error> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Failed(format!("migrations: {error}"));
    let known: Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> = MIGRATIONS.migrations().map_err(failed)?;
    let mut versions: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    Ok(versions)
}

impl Store {
    /// Runs what is missing. Where the database is newer, it is left alone.
    pub async fn migrate(&self) -> Result<Schema, Error> {
        self.migrations(Task::Run).await
    }

    pub async fn schema(&self) -> Result<Schema, Error> {
        self.migrations(Task::Look).await
    }

    /// Undoes every migration, and with them everything that is stored: for the test that each can be undone.
    pub async fn danger_revert_migrations(&self) -> Result<Schema, Error> {
        self.migrations(Task::Revert).await
    }

    /// diesel's migrations block, and its asynchronous harness wants a runtime of several threads: so they get a thread
    /// and a connection of their own.
    async fn migrations(&self, task: Task) -> Result<Schema, Error> {
        let database = self.database().clone();
        tokio::task::spawn_blocking(move || match database {
            Database::Postgres(url) => postgres(&url, task),
            Database::Sqlite(path) => sqlite(&path, task),
        })
        .await
        .map_err(|error| Error::Failed(error.to_string()))?
    }
}

fn postgres(url: &str, task: Task) -> Result<Schema, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::Failed(error.to_string()))?;
    runtime.block_on(async {
        let target = Target::parse(url)?;
        let pooled = target.pooled;
        let mut connection: AsyncPgConnection = target.connect(None).await.map_err(refused)?;
        if pooled {
            return behind_a_pooler(connection, task).await;
        }
        // A session lock, for the harness opens a transaction for each migration. A second instance waits here and then
        // finds nothing to do. It ends with the connection. For looking as well: diesel makes its own table where that is
        // missing, and two that do so at once are in each other's way.
        connection
            .batch_execute(&format!(
                "SET lock_timeout = '120s'; SET statement_timeout = 0; SELECT pg_advisory_lock({LOCK})"
            ))
            .await?;
        carry_out(&mut AsyncMigrationHarness::new(connection), task)
    })
}

/// Where a session is not one server's, all migrations are one transaction, which holds the lock: all of them, or none.
async fn behind_a_pooler(mut connection: AsyncPgConnection, task: Task) -> Result<Schema, Error> {
    pooler::begin(&mut connection).await?;
    connection
        .batch_execute(&format!(
            "SET LOCAL lock_timeout = '120s'; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK})"
        ))
        .await?;
    let mut harness = AsyncMigrationHarness::new(connection);
    let schema = carry_out(&mut harness, task)?;
    let mut connection = harness.into_inner();
    AnsiTransactionManager::commit_transaction(&mut connection).await?;
    Ok(schema)
}

fn sqlite(path: &Path, task: Task) -> Result<Schema, Error> {
    let failed = |error: std::io::Error| Error::Failed(format!("{}: {error}", path.display()));
    let path = path.to_str().ok_or_else(|| Error::Failed("the database's path is not UTF-8".to_owned()))?;
    // A transaction a migration does not keep two processes from running the same one; a lock on a file beside does.
    let lock =
        std::fs::OpenOptions::new().create(true).append(true).open(format!("{path}.migrating")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    create_private(path.as_ref()).map_err(failed)?;
    let mut connection = diesel::SqliteConnection::establish(path).map_err(refused)?;
    diesel::connection::SimpleConnection::batch_execute(&mut connection, PRAGMAS)?;
    carry_out(&mut connection, task)
}

/// Makes a missing database file for its owner alone, whatever the folder allows: it holds password hashes. SQLite takes an
/// empty file for a new database, and gives the files beside it the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // One that is there is not even opened: closing it would end the locks that SQLite holds for this process.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn carry_out<DB: diesel::backend::Backend>(
    harness: &mut impl MigrationHarness<DB>,
    task: Task,
) -> Result<Schema, Error> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Failed(format!("migrations: {error}"));
    let known: Vec<Box<dyn Migration<DB>>> = MIGRATIONS.migrations().map_err(failed)?;
    let applied: Vec<MigrationVersion<'static>> = harness.applied_migrations().map_err(failed)?;
    let is_known =
        |version: &&MigrationVersion<'_>| known.iter().any(|migration| migration.name().version() == **version);
    if let Some(unknown) = applied.iter().find(|version| !is_known(version)) {
        return Ok(Schema::Newer { unknown: unknown.to_string() });
    }
    match task {
        Task::Revert => {
            harness.revert_all_migrations(MIGRATIONS).map_err(failed)?;
            Ok(Schema::Behind { applied: 0, pending: known.len() })
        }
        Task::Look if applied.len() < known.len() => {
            Ok(Schema::Behind { applied: applied.len(), pending: known.len() - applied.len() })
        }
        Task::Look => Ok(Schema::Current { applied: 0 }),
        Task::Run => {
            let run = harness.run_pending_migrations(MIGRATIONS).map_err(failed)?;
            Ok(Schema::Current { applied: run.len() })
        }
    }
}

fn refused(error: ConnectionError) -> Error {
    Error::Unavailable(error.to_string())
}
