//! PostgreSQL: the pool, transactions, advisory locks, NOTIFY.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::pooled_connection::deadpool::{Hook, HookError, Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;

use super::Error;
use super::target::Target;
use super::trust::Trust;

/// How long a request waits for a connection before it is answered 503.
pub(super) const WAIT: Duration = Duration::from_secs(5);

pub(super) fn pool(url: &str, size: usize) -> Result<Pool<AsyncPgConnection>, Error> {
    let target = Target::parse(url)?;
    let trust = Trust::default();
    // Each of several hosts has its time, so that one that is gone is no reason to give up.
    let patience = target.patience().max(WAIT);
    let mut config = ManagerConfig::default();
    // A closed connection is seen without a round trip; one that dies in use answers one request with 503.
    config.recycling_method = RecyclingMethod::Fast;
    let watched = trust.clone();
    config.custom_setup = Box::new(move |_| target.clone().connect(Some(watched.clone())).boxed());
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(patience))
        .runtime(deadpool::Runtime::Tokio1)
        .pre_recycle(Hook::sync_fn(move |_, metrics| {
            let refused = || HookError::message("opened before the server was lost");
            trust.holds_for(metrics.created).then_some(()).ok_or_else(refused)
        }))
        .build()
        .map_err(|error| Error::Failed(error.to_string()))
}

/// Marks our advisory locks among others on the same database: "sgnt".
const LOCK_SPACE: i64 = 0x7367_6e74 << 32;

pub(super) async fn lock(connection: &mut Object<AsyncPgConnection>, number: i64) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(LOCK_SPACE | number)
        .execute(&mut **connection)
        .await?;
    Ok(())
}

/// Waits for everybody who writes to `table`, and keeps others waiting: readers go on.
pub(super) async fn exclude_writers(
    connection: &mut Object<AsyncPgConnection>,
    table: &'static str,
) -> Result<(), Error> {
    let statements = format!(
        "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '30s'; \
         LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"
    );
    Ok(connection.batch_execute(&statements).await?)
}

/// Lets the transaction that has just begun see one state throughout, and wait as long as the other database takes with a
/// whole table of it.
pub(super) async fn freeze(connection: &mut Object<AsyncPgConnection>) -> Result<(), Error> {
    let patient = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0";
    Ok(connection.batch_execute(patient).await?)
}

pub(super) async fn clock(connection: &mut Object<AsyncPgConnection>) -> Result<DateTime<Utc>, Error> {
    let query = diesel::select(diesel::dsl::sql::<Timestamptz>("clock_timestamp()"));
    Ok(query.get_result(&mut **connection).await?)
}

/// The channel of NOTIFY; its payload is the topic.
pub(super) const CHANNEL: &str = "signet";

pub(super) async fn notify(connection: &mut Object<AsyncPgConnection>, topic: &str) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(topic)
        .execute(&mut **connection)
        .await?;
    Ok(())
}
