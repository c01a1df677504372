//! What a transaction takes for itself: locks that serialise instances, and notices to them.

use super::{Connection, postgres};
use crate::store::Error;

/// What only one instance at a time may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusive {
    /// Adding a signing key.
    Rotation,
    /// Making the secrets of a new issuer.
    Initialisation,
    /// Opening a new status list.
    StatusList,
    /// Removing a batch of what has ended.
    Purge,
    /// Sealing audit events.
    Seal,
    /// Recording that keys have begun to sign.
    Activation,
}

impl Connection {
    /// Takes a further lock of [`Store::exclusively`](super::Store::exclusively) in the same transaction. In the order of the enum, so that two
    /// transactions never wait for each other.
    pub async fn also_exclusively(&mut self, what: Exclusive) -> Result<(), Error> {
        match self {
            Self::Postgres(object) => postgres::lock(object, what as i64).await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Lets nobody else write to a table until the transaction ends, and gives the transaction time for many rows.
    pub(in crate::store) async fn exclude_writers(&mut self, table: &'static str) -> Result<(), Error> {
        match self {
            Self::Postgres(object) => postgres::exclude_writers(object, table).await,
            // An immediate transaction excludes every other writer already.
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Tells other instances that `topic` changed, when the transaction commits.
    pub(in crate::store) async fn notify(&mut self, topic: &str) -> Result<(), Error> {
        match self {
            Self::Postgres(object) => postgres::notify(object, topic).await,
            // Other processes on the file poll the revision row.
            Self::Sqlite(_) => Ok(()),
        }
    }
}
