//! PostgreSQL: transactions, advisory locks, NOTIFY.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};

use super::Error;

/// Marks our advisory locks among others on the same database: "sgnt".
const LOCK_SPACE: i64 = 0x7367_6e74 << 32;

pub(super) async fn lock(connection: &mut AsyncPgConnection, number: i64) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(LOCK_SPACE | number)
        .execute(connection)
        .await?;
    Ok(())
}

/// Waits for everybody who writes to `table`, and keeps others waiting: readers go on.
pub(super) async fn exclude_writers(connection: &mut AsyncPgConnection, table: &'static str) -> Result<(), Error> {
    let statements = format!(
        "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '30s'; \
         LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"
    );
    Ok(connection.batch_execute(&statements).await?)
}

/// Lets the transaction that has just begun see one state throughout, and wait as long as the other database takes with a
/// whole table of it.
pub(super) async fn freeze(connection: &mut AsyncPgConnection) -> Result<(), Error> {
    let patient = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0";
    Ok(connection.batch_execute(patient).await?)
}

pub(super) async fn clock(connection: &mut AsyncPgConnection) -> Result<DateTime<Utc>, Error> {
    let query = diesel::select(diesel::dsl::sql::<Timestamptz>("clock_timestamp()"));
    Ok(query.get_result(connection).await?)
}

/// The channel of NOTIFY; its payload is the topic.
pub(super) const CHANNEL: &str = "signet";

pub(super) async fn notify(connection: &mut AsyncPgConnection, topic: &str) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(topic)
        .execute(connection)
        .await?;
    Ok(())
}
