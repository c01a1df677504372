//! Asking for events: a page at a time, each through an index that has the events in the order of the page.

use chrono::{DateTime, Utc};
use diesel::dsl::{min, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{AuditEvent, Outcome};
use crate::store::backend::on;
use crate::store::schema::audit_events;
use crate::store::{Bind, Connection, Error};

/// Where an event is among all: no two are at the same place.
pub type Place = (DateTime<Utc>, Uuid);

/// Which events: all that match everything that is given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    pub actor: Option<String>,
    pub target: Option<String>,
    /// One of these.
    pub actions: Option<Vec<String>>,
    pub from: Option<DateTime<Utc>>,
    /// Up to this time, itself not included.
    pub until: Option<DateTime<Utc>>,
    pub outcome: Option<Outcome>,
}

/// From where a page is read, and which way. Without a place it begins at that end.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    /// Ever older ones, the newest first.
    Back(Option<Place>),
    /// Ever newer ones, the oldest first.
    On(Option<Place>),
}

/// At most `limit` events in the order of `direction`.
pub async fn page(
    connection: &mut Connection,
    selection: &Selection,
    direction: Direction,
    limit: i64,
) -> Result<Vec<AuditEvent>, Error> {
    use audit_events::{action, actor, at, id, outcome, target};
    let Selection { actor: by, target: of, actions, from, until, outcome: ended } = selection;
    Ok(on!(connection, c => {
        let mut query = audit_events::table.into_boxed();
        if let Some(by) = by {
            query = query.filter(actor.eq(by));
        }
        if let Some(of) = of {
            query = query.filter(target.eq(of));
        }
        match actions.as_deref() {
            None => {}
            // As an equation, the index gives them in order.
            Some([one]) => query = query.filter(action.eq(one)),
            Some(several) => query = query.filter(action.eq_any(several)),
        }
        if let Some(from) = from {
            query = query.filter(at.ge(Bind(*from)));
        }
        if let Some(until) = until {
            query = query.filter(at.lt(Bind(*until)));
        }
        query = match ended {
            None => query,
            // Spelled out, so that the partial index answers.
            Some(Outcome::Failure) => query.filter(sql::<Bool>("outcome = 'failure'")),
            Some(Outcome::Success) => query.filter(outcome.eq(Outcome::Success.as_str())),
        };
        // The first condition on each place bounds the index, the second is exact.
        query = match direction {
            Direction::Back(None) | Direction::On(None) => query,
            Direction::Back(Some((time, key))) => {
                query.filter(at.le(Bind(time))).filter(at.lt(Bind(time)).or(id.lt(Bind(key))))
            }
            Direction::On(Some((time, key))) => {
                query.filter(at.ge(Bind(time))).filter(at.gt(Bind(time)).or(id.gt(Bind(key))))
            }
        };
        query = match direction {
            Direction::Back(_) => query.order((at.desc(), id.desc())),
            Direction::On(_) => query.order((at, id)),
        };
        query.limit(limit).select(AuditEvent::as_select()).load(c)
    })?)
}

/// Every action that there is an event of. The index is asked for each next one: there are some dozens, whatever the number
/// of events.
pub async fn actions(connection: &mut Connection) -> Result<Vec<String>, Error> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let after = found.last().cloned().unwrap_or_default();
        let next = audit_events::table.filter(audit_events::action.gt(after)).select(min(audit_events::action));
        match on!(&mut *connection, c => next.first::<Option<String>>(c))? {
            Some(next) => found.push(next),
            None => return Ok(found),
        }
    }
}
