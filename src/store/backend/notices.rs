//! Learning that another process changed something: LISTEN/NOTIFY in PostgreSQL. The caller polls the revision row
//! beside it (`store::revisions`), which is all there is in SQLite and the backstop in PostgreSQL.

use std::time::Duration;

use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use futures_util::StreamExt as _;

use super::postgres::CHANNEL;
use super::target::Target;
use super::{Database, Error, Store};

/// A stream of notices, each saying only that there is something to look at.
pub enum Notices {
    /// Boxed for its size.
    Postgres(Box<AsyncPgConnection>),
    /// No notices ever come.
    Silent,
}

impl Store {
    /// Listens for changes.
    pub async fn notices(&self) -> Result<Notices, Error> {
        match self.database() {
            Database::Sqlite(_) => Ok(Notices::Silent),
            Database::Postgres(url) => {
                let target = Target::parse(url)?;
                if target.pooled {
                    // What listens is a server connection, and that is another one after each transaction.
                    return Ok(Notices::Silent);
                }
                let connecting = target.connect(None);
                let mut connection = connecting.await.map_err(|error| Error::Unavailable(error.to_string()))?;
                diesel::sql_query(format!("LISTEN {CHANNEL}")).execute(&mut connection).await?;
                Ok(Notices::Postgres(Box::new(connection)))
            }
        }
    }
}

impl Notices {
    /// Waits for a notice, at most `bound`. Answers whether one came.
    ///
    /// # Errors
    /// When the connection is lost: listen again.
    pub async fn next(&mut self, bound: Duration) -> Result<bool, Error> {
        match self {
            Self::Silent => {
                tokio::time::sleep(bound).await;
                Ok(false)
            }
            Self::Postgres(connection) => {
                let mut notices = std::pin::pin!(connection.notifications_stream());
                match tokio::time::timeout(bound, notices.next()).await {
                    Err(_elapsed) => Ok(false),
                    Ok(Some(Ok(_))) => Ok(true),
                    Ok(Some(Err(error))) => Err(error.into()),
                    Ok(None) => Err(Error::Unavailable("the listening connection closed".to_owned())),
                }
            }
        }
    }
}
