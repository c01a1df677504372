//! SQLite: the embedded database, for one serving process and the command line beside it.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _};
use diesel::{ConnectionError, QueryResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;

use super::{Error, SqliteConnection};

/// Pragmas are a connection's own, so each new one gets them. FULL: what was acknowledged survives a power cut, which
/// refresh-token rotation depends on.
pub(in crate::store) const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";

/// KiB of pages that a reader keeps. Any write makes it forget them at its next statement, and then it reads from the
/// system's cache; with SQLite's default, 2,000, sixteen readers would keep 32 MiB for nothing.
const READERS_CACHE: &str = "PRAGMA cache_size = -256;";

/// The writer forgets nothing by its own writes. What logins and refreshes change over and over, the ends of indexes, fits in.
const WRITERS_CACHE: &str = "PRAGMA cache_size = -1000;";

/// Connections that only read.
pub(super) fn readers(path: &Path, size: usize) -> Result<Pool<SqliteConnection>, Error> {
    pool(path, size, READERS_CACHE)
}

/// The one that writes.
pub(super) fn writer(path: &Path) -> Result<Pool<SqliteConnection>, Error> {
    pool(path, 1, WRITERS_CACHE)
}

fn pool(path: &Path, size: usize, further: &'static str) -> Result<Pool<SqliteConnection>, Error> {
    let path = path.to_str().ok_or_else(|| Error::Failed("the database's path is not UTF-8".to_owned()))?.to_owned();
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |path| {
        let path = path.to_owned();
        async move {
            let mut connection = SqliteConnection::establish(&path).await?;
            let pragmas = format!("{PRAGMAS} {further}");
            connection.batch_execute(&pragmas).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(connection)
        }
        .boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::<SqliteConnection>::new_with_config(path, config))
        .max_size(size)
        // Who was used last: its pages and statements are still in the processor's caches.
        .queue_mode(deadpool::managed::QueueMode::Lifo)
        .wait_timeout(Some(Duration::from_secs(5)))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Failed(error.to_string()))
}

/// Takes the write lock at once. A transaction that reads first and writes later can be refused half-way when another
/// process wrote in between.
pub(super) async fn begin_immediate(connection: &mut Object<SqliteConnection>) -> Result<(), Error> {
    connection
        .spawn_blocking(|connection| AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE"))
        .await?;
    Ok(())
}

/// Runs `body` in a transaction whose commit does not wait for the disk. All of it is one piece of work of the connection's
/// thread: whoever waits for it may be gone before its end, and the next commit is flushed again all the same.
pub async fn unflushed<T: Send + 'static>(
    connection: &mut Object<SqliteConnection>,
    body: impl FnOnce(&mut diesel::SqliteConnection) -> QueryResult<T> + Send + 'static,
) -> Result<T, Error> {
    let work = move |connection: &mut diesel::SqliteConnection| {
        connection.batch_execute("PRAGMA synchronous = NORMAL")?;
        let outcome = connection.immediate_transaction(body);
        connection.batch_execute("PRAGMA synchronous = FULL")?;
        outcome
    };
    Ok(connection.spawn_blocking(work).await?)
}
