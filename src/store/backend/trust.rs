//! Which connections of the pool are still believed to lead to the primary.
//!
//! One that broke is thrown away by itself. But a server that has become a standby, or that an administrator stops, tells
//! one connection at a time: what one of them hears holds for all that were opened before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error};

/// Shared by the connections of a pool.
#[derive(Clone, Default)]
pub struct Trust(Arc<Mutex<Option<Instant>>>);

impl Trust {
    /// When a server was last found lost: what was opened until then is not to be used again.
    pub fn lost(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no connection could be had. What was the primary and is none any more says so to who comes anew: those who are
    /// connected to it need not find out one by one.
    pub fn hear(&self, refusal: &str) {
        if refusal.contains("does not allow writes") {
            self.lose();
        }
    }

    fn lose(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// What a connection knows of itself; diesel shows it every failure, whatever the query.
pub struct Watch {
    trust: Option<Trust>,
    /// Whether a pooler is in between that may give each transaction another server.
    pub pooled: bool,
}

impl Watch {
    pub fn new(trust: Option<Trust>, pooled: bool) -> Self {
        Self { trust, pooled }
    }

    /// What became of a statement. diesel does not tell [`Instrumentation`] of failures that come with the rows.
    pub fn judge(&self, failure: &impl Failure) {
        if failure.is_of_a_lost_server()
            && let Some(trust) = &self.trust
        {
            trust.lose();
        }
    }
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery { error: Some(error), .. } = event {
            self.judge(error);
        }
    }
}

/// What may say that the server does not serve this program any more.
pub trait Failure {
    fn is_of_a_lost_server(&self) -> bool;
}

impl Failure for Error {
    fn is_of_a_lost_server(&self) -> bool {
        let Error::DatabaseError(kind, information) = self else { return false };
        let closed = matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand);
        closed || matches!(kind, DatabaseErrorKind::ReadOnlyTransaction) || is_lost(information.message())
    }
}

impl Failure for crate::store::Error {
    fn is_of_a_lost_server(&self) -> bool {
        matches!(self, Self::Unavailable(message) if is_lost(message))
    }
}

fn is_lost(message: &str) -> bool {
    message.starts_with("the database system is") // 57P03
        || message.contains("in a read-only transaction") // 25006: a standby, or one that was fenced off
        || message.contains("due to administrator command") // 57P01
        || message.contains("because of crash of another server process") // 57P02
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(trust: &Trust, kind: DatabaseErrorKind, message: &str) {
        let error = Error::DatabaseError(kind, Box::new(message.to_owned()));
        Watch::new(Some(trust.clone()), false).judge(&error);
    }

    #[test]
    fn what_one_connection_hears_of_its_server_holds_for_those_opened_before_and_not_for_later_ones() {
        let refusals = [
            (DatabaseErrorKind::ReadOnlyTransaction, "cannot execute UPDATE in a read-only transaction", true),
            (DatabaseErrorKind::Unknown, "terminating connection due to administrator command", true),
            (DatabaseErrorKind::Unknown, "the database system is shutting down", true),
            (DatabaseErrorKind::UnableToSendCommand, "connection closed", true),
            (DatabaseErrorKind::UniqueViolation, "duplicate key value violates unique constraint", false),
            (DatabaseErrorKind::Unknown, "canceling statement due to lock timeout", false),
            (DatabaseErrorKind::Unknown, "terminating connection due to idle-in-transaction timeout", false),
        ];
        for (kind, message, lost) in refusals {
            let trust = Trust::default();
            let before = Instant::now();
            tell(&trust, kind, message);
            assert_eq!(trust.lost() >= Some(before), lost, "{message}");
            assert!(trust.lost() <= Some(Instant::now()), "{message}");
        }
    }
}
