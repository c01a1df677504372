//! PgBouncer in transaction mode and its like: between two transactions the server may be another one.
//!
//! So no statement is prepared for longer than its transaction, nothing is `SET` for longer, and a statement that would be a
//! transaction by itself gets one around it, because preparing and executing it are two messages. Closing it is a third,
//! which goes to the same server before the end.

use diesel::QueryResult;
use diesel_async::{AnsiTransactionManager, AsyncConnection as _, AsyncPgConnection, TransactionManager as _};

use super::trust::{Failure, Watch};

/// The limits of `connecting::SESSION`, for one transaction, in the round trip that begins it.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'; \
     SET LOCAL idle_in_transaction_session_timeout = '30s'";

fn watch(connection: &mut AsyncPgConnection) -> Option<&Watch> {
    connection.instrumentation().downcast_ref::<Watch>()
}

fn is_pooled(connection: &mut AsyncPgConnection) -> bool {
    watch(connection).is_some_and(|watch| watch.pooled)
}

/// Begins a transaction as the connection needs it.
pub async fn begin(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    if is_pooled(connection) {
        AnsiTransactionManager::begin_transaction_sql(connection, BEGIN).await
    } else {
        AnsiTransactionManager::begin_transaction(connection).await
    }
}

/// Before statements that may stand outside a transaction. Answers whether they got one, which [`conclude`] ends.
pub async fn surround(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    if !is_pooled(connection) || is_in_transaction(connection)? {
        return Ok(false);
    }
    begin(connection).await?;
    Ok(true)
}

/// Ends what [`surround`] began, and notes a failure that says that the server is lost.
pub async fn conclude<T, E>(connection: &mut AsyncPgConnection, surrounded: bool, outcome: Result<T, E>) -> Result<T, E>
where
    E: From<diesel::result::Error> + Failure,
{
    if let Err(failure) = &outcome
        && let Some(watch) = watch(connection)
    {
        watch.judge(failure);
    }
    if surrounded {
        if outcome.is_ok() {
            AnsiTransactionManager::commit_transaction(connection).await?;
        } else {
            // The first error is the one to tell; a rollback that fails leaves a broken connection, which is thrown away.
            let _ = AnsiTransactionManager::rollback_transaction(connection).await;
        }
    }
    outcome
}

fn is_in_transaction(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    Ok(status.transaction_depth()?.is_some())
}

/// Runs statements on PostgreSQL that may stand outside a transaction.
macro_rules! surrounded {
    ($connection:expr, $c:ident => $body:expr) => {
        match $crate::store::backend::pooler::surround($connection).await {
            Err(error) => Err(error.into()),
            Ok(is_surrounded) => {
                let came_of_it = {
                    let $c: &mut diesel_async::AsyncPgConnection = &mut *$connection;
                    $body.await
                };
                $crate::store::backend::pooler::conclude($connection, is_surrounded, came_of_it).await
            }
        }
    };
}
pub(in crate::store) use surrounded;
