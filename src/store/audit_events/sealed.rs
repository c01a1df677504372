//! Events on their way under a seal, under it, and where none should be.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::AuditEvent;
use super::pages::Place;
use crate::store::backend::on;
use crate::store::schema::audit_events;
use crate::store::{Bind, Connection, Error};

/// Events without a seal that are not younger than `until`, the oldest first, at most `limit`.
pub async fn unsealed(connection: &mut Connection, until: DateTime<Utc>, limit: i64) -> Result<Vec<AuditEvent>, Error> {
    Ok(on!(connection, c => audit_events::table
        .filter(audit_events::seal.is_null())
        .filter(audit_events::at.le(Bind(until)))
        .order((audit_events::at, audit_events::id))
        .limit(limit)
        .select(AuditEvent::as_select()).load(c))?)
}

/// Puts events under a seal; answers how many had none.
pub async fn mark_sealed(connection: &mut Connection, events: &[AuditEvent], number: i64) -> Result<usize, Error> {
    let mut marked = 0;
    // SQLite takes 32,766 values in a statement.
    for batch in events.chunks(1000) {
        let ids: Vec<Bind<Uuid>> = batch.iter().map(|event| Bind(event.id)).collect();
        let unsealed = audit_events::table.filter(audit_events::seal.is_null());
        marked += on!(&mut *connection, c => diesel::update(unsealed.filter(audit_events::id.eq_any(ids)))
            .set(audit_events::seal.eq(number))
            .execute(c))?;
    }
    Ok(marked)
}

/// The events of a seal behind `after`, in the order in which they were sealed.
pub async fn of_seal(
    connection: &mut Connection,
    number: i64,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<AuditEvent>, Error> {
    use audit_events::{at, id};
    Ok(on!(connection, c => {
        let mut query = audit_events::table.filter(audit_events::seal.eq(number)).into_boxed();
        if let Some((time, key)) = after {
            query = query.filter(at.ge(Bind(time))).filter(at.gt(Bind(time)).or(id.gt(Bind(key))));
        }
        query.order((at, id)).limit(limit).select(AuditEvent::as_select()).load(c)
    })?)
}

/// Removes the events of a seal.
pub async fn delete_under(connection: &mut Connection, number: i64) -> Result<usize, Error> {
    let under = audit_events::table.filter(audit_events::seal.eq(number));
    Ok(on!(connection, c => diesel::delete(under).execute(c))?)
}

/// How many events older than `before` have no seal, and the oldest of them.
pub async fn waiting_since(
    connection: &mut Connection,
    before: DateTime<Utc>,
) -> Result<(u64, Option<(Uuid, DateTime<Utc>)>), Error> {
    let waiting = audit_events::table.filter(audit_events::seal.is_null()).filter(audit_events::at.lt(Bind(before)));
    let count: i64 = on!(&mut *connection, c => waiting.count().get_result(c))?;
    let oldest = waiting.order((audit_events::at, audit_events::id)).select((audit_events::id, audit_events::at));
    let oldest = on!(connection, c => oldest.first(c)).optional()?;
    Ok((u64::try_from(count).unwrap_or_default(), oldest))
}

/// Events under seals between two numbers, both excluded: where there are no seals, there should be none.
pub async fn between_seals(
    connection: &mut Connection,
    (after, before): (i64, i64),
    limit: i64,
) -> Result<Vec<(Uuid, i64)>, Error> {
    let between = audit_events::table
        .filter(audit_events::seal.gt(after))
        .filter(audit_events::seal.lt(before))
        .order((audit_events::seal, audit_events::at, audit_events::id))
        .select((audit_events::id, audit_events::seal.assume_not_null()))
        .limit(limit);
    Ok(on!(connection, c => between.load(c))?)
}

/// What was recorded of removed events and is not sealed yet.
pub async fn unsealed_purges(connection: &mut Connection, action: &str) -> Result<Vec<AuditEvent>, Error> {
    Ok(on!(connection, c => audit_events::table
        .filter(audit_events::seal.is_null())
        .filter(audit_events::action.eq(action))
        .select(AuditEvent::as_select()).load(c))?)
}
