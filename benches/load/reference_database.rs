//! The ceiling of a refresh: one `UPDATE … RETURNING` round trip and nothing else, through the same driver, pool and
//! durability as the service, prepared once as there. Each row has one writer, as each session has one client.

use std::fmt::Write as _;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::{BuildError, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;

use crate::failure::Failure;
use crate::prepared::Prepare as _;

const POSTGRES_CONNECTIONS: usize = 16;

diesel::table! {
    bare_grants (id) {
        id -> BigInt,
        generation -> BigInt,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Reference(error.into())
    }
}

#[derive(Clone)]
pub enum Database {
    Postgres(Pool<AsyncPgConnection>),
    Sqlite(Pool<SyncConnectionWrapper<SqliteConnection>>),
}

macro_rules! on {
    ($database:expr, $connection:ident => $body:expr) => {
        match $database {
            Database::Postgres(pool) => {
                let mut $connection = pool.get().await?;
                $body
            }
            Database::Sqlite(pool) => {
                let mut $connection = pool.get().await?;
                $body
            }
        }
    };
}

impl Database {
    /// Connects to `url` (`postgres://…`, or else a file of SQLite) and makes a table of `rows` rows, 0 to `rows - 1`.
    pub async fn create(url: &str, rows: u32) -> Result<Self, Error> {
        let (database, storage) = if url.starts_with("postgres") {
            let mut config = ManagerConfig::default();
            config.recycling_method = RecyclingMethod::Fast;
            let manager = AsyncDieselConnectionManager::new_with_config(url, config);
            (Self::Postgres(Pool::builder(manager).max_size(POSTGRES_CONNECTIONS).build()?), "WITH (fillfactor = 80)")
        } else {
            let mut config = ManagerConfig::default();
            config.recycling_method = RecyclingMethod::Fast;
            config.custom_setup = Box::new(|url| sqlite_connection(url).boxed());
            let manager = AsyncDieselConnectionManager::new_with_config(url, config);
            // SQLite has one writer; waiting for it in the pool is cheaper than in its busy handler.
            (Self::Sqlite(Pool::builder(manager).max_size(1).build()?), "")
        };
        let mut statements = format!(
            "CREATE TABLE bare_grants (id BIGINT NOT NULL PRIMARY KEY, generation BIGINT NOT NULL) {storage};\n"
        );
        for row in 0..rows {
            let _ = writeln!(statements, "INSERT INTO bare_grants VALUES ({row}, 0);");
        }
        on!(&database, connection => connection.batch_execute(&statements).await?);
        Ok(database)
    }

    /// Adds one to the generation of row `id` and gives the new one.
    pub async fn update(&self, id: i64) -> Result<i64, Error> {
        let row = bare_grants::table.find(id);
        let update = diesel::update(row)
            .set(bare_grants::generation.eq(bare_grants::generation + 1))
            .returning(bare_grants::generation)
            .prepared();
        Ok(on!(self, connection => update.get_result(&mut connection).await?))
    }
}

async fn sqlite_connection(url: &str) -> ConnectionResult<SyncConnectionWrapper<SqliteConnection>> {
    let mut connection = SyncConnectionWrapper::<SqliteConnection>::establish(url).await?;
    connection
        .batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}
