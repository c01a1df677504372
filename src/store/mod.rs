//! The database: connections, transactions, and one file of queries a table. diesel is named only here.
//!
//! Every query is written once and runs on PostgreSQL and SQLite. What only one of them has lives in `backend/`. Query
//! functions take a [`Connection`], so that the same one works in and out of a transaction, and take the time from
//! their caller. "Not found" is `None`; an [`Error`] is a failure of the database.

pub mod acme;
pub mod audit_events;
pub mod audit_seals;
mod backend;
pub mod clients;
pub mod copy;
mod export;
pub mod grants;
pub mod key_set_fetches;
pub mod known_addresses;
pub mod login_throttles;
pub mod logins;
pub mod migrations;
pub mod purge;
pub mod remembered_answers;
pub mod resource_servers;
pub mod revisions;
mod schema;
pub mod sealed;
pub mod sealed_secrets;
pub mod settings;
pub mod signing_keys;
pub mod status;
pub mod tables;
pub mod users;
pub mod webhook_deliveries;
pub mod webhooks;

use backend::Bind;
pub use backend::{Connection, Database, Exclusive, Json, Notices, PoolUsage, Spelled, Store, Unreachable};

/// From the first time to the second, both included.
pub type Window = (chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>);

/// What went wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or the database went away or is too busy: the same request may succeed in a moment.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Something with this name is already there.
    #[error("already exists")]
    Exists,
    /// A row that others refer to cannot go.
    #[error("still referred to")]
    Referred,
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind as Kind;
        use diesel::result::Error as Diesel;
        match error {
            Diesel::DatabaseError(Kind::UniqueViolation, _) => Self::Exists,
            Diesel::DatabaseError(Kind::ForeignKeyViolation | Kind::RestrictViolation, _) => Self::Referred,
            Diesel::DatabaseError(
                Kind::ClosedConnection
                | Kind::ReadOnlyTransaction
                | Kind::SerializationFailure
                | Kind::UnableToSendCommand,
                information,
            ) => Self::Unavailable(information.message().to_owned()),
            Diesel::DatabaseError(_, information) if passes(information.message()) => {
                Self::Unavailable(information.message().to_owned())
            }
            Diesel::BrokenTransactionManager => {
                Self::Unavailable("the connection was lost in a transaction".to_owned())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Whether a failure that diesel has no kind for is one that passes by itself. diesel gives no SQLSTATE, only the text.
fn passes(message: &str) -> bool {
    [
        "canceling statement due to",    // 57014, statement or lock timeout
        "database is locked",            // SQLITE_BUSY
        "deadlock detected",             // 40P01
        "remaining connection slots",    // 53300
        "sorry, too many clients",       // 53300
        "terminating connection due to", // 57P01 to 57P03, and the idle-in-transaction timeout
        "the database system is",        // 57P03
        "server conn crashed",           // 08P01, PgBouncer, as are the rest
        "server closed the connection",
        "cannot connect to server",
        "server_login_retry",
        "query_wait_timeout",
        "client_login_timeout",
        "no more connections allowed",
        "pgbouncer shutting down",
    ]
    .iter()
    .any(|known| message.contains(known))
}
