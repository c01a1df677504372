//! What differs between PostgreSQL and SQLite, each difference behind a name that says the need.
//!
//! A query's body is written once; the `on!` macro expands it for each connection type. `diesel`'s own multi-backend
//! connection would lose uuid, timestamptz, jsonb and ON CONFLICT.

mod connecting;
mod locks;
mod near;
mod notices;
pub(in crate::store) mod pooler;
mod postgres;
mod prepared;
mod queue;
mod reach;
mod sqlite;
mod statements;
mod target;
mod trust;
mod types;
mod usage;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, TransactionManager};

use super::Error;
use crate::spans;
pub use locks::Exclusive;
pub use near::Lent;
use near::Near;
pub use notices::Notices;
pub(in crate::store) use pooler::surrounded;
pub(in crate::store) use prepared::Prepare;
use queue::Queue;
pub use reach::Unreachable;
pub(super) use sqlite::PRAGMAS;
pub(in crate::store) use sqlite::unflushed;
pub(in crate::store) use statements::{delete_unheld, insert_all};
pub(super) use target::Target;
pub use types::{Bind, DbJson, DbTime, DbUuid, Json, Spelled};
pub use usage::PoolUsage;

type SqliteConnection = SyncConnectionWrapper<diesel::SqliteConnection>;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A `postgres://` URL, which may hold a password.
    Postgres(String),
    /// A file, made where it is missing.
    Sqlite(PathBuf),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("PostgreSQL"),
            Self::Sqlite(path) => write!(f, "SQLite in {}", path.display()),
        }
    }
}

/// The database of one process: its connections, opened as they are needed.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    database: Database,
    checkouts: Arc<AtomicU64>,
    queue: Queue,
}

#[derive(Clone)]
enum Pools {
    Postgres(Near),
    /// SQLite has one writer at a time; queueing for it here is fair, where its own busy handler sleeps and polls.
    Sqlite {
        readers: Pool<SqliteConnection>,
        writer: Pool<SqliteConnection>,
    },
}

/// A connection from the pool. It goes back by itself.
pub enum Connection {
    Postgres(Lent),
    Sqlite(Object<SqliteConnection>),
}

/// Runs one query body on whichever database the connection leads to.
macro_rules! on {
    ($connection:expr, $c:ident => $body:expr) => {
        match $connection {
            $crate::store::Connection::Postgres(object) => {
                $crate::store::backend::pooler::surrounded!(&mut **object, $c => $body)
            }
            $crate::store::Connection::Sqlite(object) => {
                let $c = &mut **object;
                $body.await
            }
        }
    };
}
pub(in crate::store) use on;

impl Store {
    /// Prepares the pools. No connection is opened yet, so this succeeds with the database down.
    ///
    /// # Errors
    /// When the URL cannot be understood or its certificate authorities cannot be read.
    pub fn open(database: Database, size: usize) -> Result<Self, Error> {
        let pools = match &database {
            Database::Postgres(url) => Pools::Postgres(Near::new(Target::parse(url)?, size)),
            Database::Sqlite(path) => {
                Pools::Sqlite { readers: sqlite::readers(path, size)?, writer: sqlite::writer(path)? }
            }
        };
        Ok(Self { pools, database, checkouts: Arc::default(), queue: Queue::of(64 * size) })
    }

    /// With so many waiting for a connection at most; whoever comes beyond that is told at once that there is none.
    #[must_use]
    pub fn with_queue(self, most: usize) -> Self {
        Self { queue: Queue::of(most), ..self }
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// How many times a connection was asked for since the start.
    pub fn checkouts(&self) -> u64 {
        self.checkouts.load(Ordering::Relaxed)
    }

    /// A connection to read with.
    pub async fn reading(&self) -> Result<Connection, Error> {
        self.checkouts.fetch_add(1, Ordering::Relaxed);
        match &self.pools {
            Pools::Postgres(pool) => Ok(Connection::Postgres(pool.get(self.queue).await?)),
            Pools::Sqlite { readers, .. } => Ok(Connection::Sqlite(self.queue.get(readers).await?)),
        }
    }

    /// A connection for one writing statement, which is a transaction by itself.
    pub async fn writing(&self) -> Result<Connection, Error> {
        match &self.pools {
            Pools::Postgres(_) => self.reading().await,
            Pools::Sqlite { writer, .. } => {
                self.checkouts.fetch_add(1, Ordering::Relaxed);
                Ok(Connection::Sqlite(self.queue.get(writer).await?))
            }
        }
    }

    /// Runs `body` in a transaction: committed when it answers `Ok`, undone when it answers `Err`. An outcome that must
    /// be kept although the request is refused (a replayed refresh token revokes its grant) is therefore an `Ok`.
    ///
    /// Never wrap this in a timeout: a future dropped inside a transaction holds its row locks until the connection is
    /// used again.
    pub async fn transaction<T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Connection) -> Result<T, E>,
        E: From<Error>,
    {
        let transaction = async {
            let mut connection = self.writing().await?;
            match &mut connection {
                Connection::Postgres(object) => pooler::begin(object).await.map_err(Error::from)?,
                Connection::Sqlite(object) => sqlite::begin_immediate(object).await?,
            }
            conclude(&mut connection, body).await
        };
        spans::within("database transaction", transaction).await
    }

    /// A transaction that only reads, one state of the whole database, whatever is written meanwhile.
    pub async fn snapshot<T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Connection) -> Result<T, E>,
        E: From<Error>,
    {
        let mut connection = self.reading().await?;
        // In SQLite the first statement fixes the state (WAL), and writers go on beside it.
        match &mut connection {
            Connection::Postgres(object) => pooler::begin(object).await.map_err(Error::from)?,
            Connection::Sqlite(object) => begin(&mut **object).await?,
        }
        let frozen = async |connection: &mut Connection| {
            if let Connection::Postgres(object) = &mut *connection {
                postgres::freeze(object).await?;
            }
            body(connection).await
        };
        conclude(&mut connection, frozen).await
    }

    /// A transaction that no other instance runs at the same time. Look again inside it: another instance may have
    /// done the work while this one waited.
    pub async fn exclusively<T, E, F>(&self, what: Exclusive, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Connection) -> Result<T, E>,
        E: From<Error>,
    {
        self.transaction(async |connection: &mut Connection| {
            // In SQLite an immediate transaction excludes every other writer already.
            if let Connection::Postgres(object) = &mut *connection {
                postgres::lock(object, what as i64).await?;
            }
            body(connection).await
        })
        .await
    }

    /// The time by the database's own clock, to compare with ours; nothing else asks for it. `None` where the database
    /// is in this process.
    pub async fn clock(&self) -> Result<Option<DateTime<Utc>>, Error> {
        match self.reading().await? {
            Connection::Postgres(mut object) => Ok(Some(postgres::clock(&mut object).await?)),
            Connection::Sqlite(_) => Ok(None),
        }
    }

    /// Throws away idle connections, so that the next ones are new.
    pub fn forget_idle_connections(&self) {
        match &self.pools {
            Pools::Postgres(pool) => pool.forget_idle(),
            Pools::Sqlite { readers, writer } => {
                drop(readers.retain(|_, _| false));
                drop(writer.retain(|_, _| false));
            }
        }
    }
}

async fn begin<C: AsyncConnection>(connection: &mut C) -> Result<(), Error> {
    Ok(C::TransactionManager::begin_transaction(connection).await?)
}

/// Runs `body` in the transaction that has begun, and ends it.
async fn conclude<T, E, F>(connection: &mut Connection, body: F) -> Result<T, E>
where
    F: AsyncFnOnce(&mut Connection) -> Result<T, E>,
    E: From<Error>,
{
    match body(&mut *connection).await {
        Ok(value) => {
            on!(connection, c => commit(c))?;
            Ok(value)
        }
        Err(refused) => {
            // A rollback that fails leaves a broken connection, which the pool throws away; the database has then
            // undone the transaction itself. The first error is the one to tell.
            let _ = on!(connection, c => rollback(c));
            Err(refused)
        }
    }
}

async fn commit<C: AsyncConnection>(connection: &mut C) -> Result<(), Error> {
    Ok(C::TransactionManager::commit_transaction(connection).await?)
}

async fn rollback<C: AsyncConnection>(connection: &mut C) -> Result<(), Error> {
    Ok(C::TransactionManager::rollback_transaction(connection).await?)
}
