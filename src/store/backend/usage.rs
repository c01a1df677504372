//! How far the connections of a process are in use.

use super::{Pools, Store};

/// Of one pool, at this moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolUsage {
    /// `postgresql`, or of SQLite `readers` and `writer`.
    pub name: &'static str,
    /// Connections that may be open.
    pub most: usize,
    pub open: usize,
    /// Open, and used by nobody.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

impl Store {
    pub fn pool_usage(&self) -> Vec<PoolUsage> {
        let usage = |name, status: deadpool::Status| PoolUsage {
            name,
            most: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        };
        match &self.pools {
            Pools::Postgres(pool) => vec![pool.usage()],
            Pools::Sqlite { readers, writer } => {
                vec![usage("readers", readers.status()), usage("writer", writer.status())]
            }
        }
    }
}
