//! Waiting for a connection, up to a number: a request that finds so many before it would only grow old.

use deadpool::Status;
use deadpool::managed::{Manager, Object, Pool};

use super::Error;

/// How many may wait at one pool: SQLite's writer is a pool of its own.
#[derive(Clone, Copy)]
pub(super) struct Queue {
    most: usize,
}

impl Queue {
    pub fn of(most: usize) -> Self {
        Self { most }
    }

    /// Lets one more in where there are `waiting` already.
    pub fn admit(self, waiting: usize) -> Result<(), Error> {
        let full = || Error::Unavailable(format!("as many wait for a connection as may: {}", self.most));
        (waiting < self.most).then_some(()).ok_or_else(full)
    }

    pub async fn get<M: Manager<Error: std::fmt::Display>>(self, pool: &Pool<M>) -> Result<Object<M>, Error> {
        // `None`: there is one to be had.
        if let Some(waiting) = waiting(pool.status()) {
            self.admit(waiting)?;
        }
        pool.get().await.map_err(|error| Error::Unavailable(error.to_string()))
    }
}

/// How many wait for a connection; `None` where there is one, or one can be opened.
fn waiting(status: Status) -> Option<usize> {
    // Those that have one, wait for one or open one, as the pool counts them.
    let users = (status.size + status.waiting).saturating_sub(status.available);
    users.checked_sub(status.max_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_from_who_has_a_connection_or_opens_one() {
        for ((size, available, waiting_for_any), waiters) in [
            ((0, 0, 0), None),
            ((2, 2, 0), None),
            ((2, 0, 0), None),
            // Not opened yet: these three do it.
            ((0, 0, 3), None),
            ((3, 0, 1), Some(0)),
            ((4, 1, 0), None),
            ((4, 0, 0), Some(0)),
            ((4, 0, 7), Some(7)),
        ] {
            let status = Status { max_size: 4, size, available, waiting: waiting_for_any };
            assert_eq!(waiting(status), waiters, "{status:?}");
        }
    }
}
