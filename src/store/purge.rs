//! Removing what has ended, from every table that has such rows: a batch a statement, found through an index. What may go
//! when is decided in `oauth/purge.rs`.
//!
//! Grants change until they end, and a grant that was only left alone ends by a column without an index (see the
//! migration): such grants, and the blocks that their indexes are from, are found by going through the table in the order
//! of its key, a page at a time.

use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, exists, min, not};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::{delete_unheld, on};
use super::revisions::{self, Topic};
use super::schema::{
    grants, key_set_fetches, known_addresses, login_throttles, revocations, status_leases, status_lists,
    webhook_deliveries,
};
use super::{Bind, Connection, Error};

/// Rows that one batch removes at most, and that a page has.
pub const BATCH: i64 = 1000;

/// Grants whose `expires_at` has passed.
pub async fn expired_grants(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(grants as ended);
    let key = rows.field(grants::expires_at);
    let due = rows.filter(key.le(Bind(until))).order(key).limit(BATCH).select(rows.field(grants::id));
    Ok(delete_unheld!(connection, grants, id, due))
}

/// Grants that were revoked so long ago.
pub async fn revoked_grants(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(grants as ended);
    let key = rows.field(grants::revoked_at);
    let due = rows.filter(key.le(Bind(until))).order(key).limit(BATCH).select(rows.field(grants::id));
    Ok(delete_unheld!(connection, grants, id, due))
}

/// Where the page behind `after` ends, or `None` where it is the last.
pub async fn grants_page(connection: &mut Connection, after: Uuid) -> Result<Option<Uuid>, Error> {
    let page = grants::table.filter(grants::id.gt(Bind(after))).order(grants::id).offset(BATCH - 1).limit(1);
    Ok(on!(connection, c => page.select(grants::id).first(c)).optional()?)
}

/// Grants of a page that nobody has refreshed in time.
pub async fn idle_grants(
    connection: &mut Connection,
    (after, last): (Uuid, Uuid),
    until: DateTime<Utc>,
) -> Result<usize, Error> {
    let rows = diesel::alias!(grants as ended);
    let key = rows.field(grants::id);
    let page = rows.filter(key.gt(Bind(after))).filter(key.le(Bind(last)));
    let due = page.filter(rows.field(grants::idle_expires_at).le(Bind(until))).select(key);
    Ok(delete_unheld!(connection, grants, id, due))
}

/// Ranges whose last token expired by `expired`, and that were revoked by `revoked`.
pub async fn revocations(
    connection: &mut Connection,
    (expired, revoked): (DateTime<Utc>, DateTime<Utc>),
) -> Result<usize, Error> {
    let rows = diesel::alias!(revocations as ended);
    let key = rows.field(revocations::expires_at);
    let due = rows
        .filter(key.le(Bind(expired)))
        .filter(rows.field(revocations::revoked_at).le(Bind(revoked)))
        .order(key)
        .limit(BATCH)
        .select(rows.field(revocations::id));
    Ok(delete_unheld!(connection, revocations, id, due))
}

/// Blocks for the tokens that clients take for themselves, leased so long ago.
pub async fn client_leases(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(status_leases as ended);
    let key = rows.field(status_leases::leased_at);
    let due = rows
        .filter(rows.field(status_leases::client_id).is_not_null())
        .filter(key.le(Bind(until)))
        .order(key)
        .limit(BATCH)
        .select(rows.field(status_leases::id));
    Ok(delete_unheld!(connection, status_leases, id, due))
}

/// As [`grants_page`], of leases for grants.
pub async fn leases_page(connection: &mut Connection, after: Uuid) -> Result<Option<Uuid>, Error> {
    let page = status_leases::table
        .filter(status_leases::client_id.is_null())
        .filter(status_leases::id.gt(Bind(after)))
        .order((status_leases::client_id, status_leases::id))
        .offset(BATCH - 1)
        .limit(1);
    Ok(on!(connection, c => page.select(status_leases::id).first(c)).optional()?)
}

/// Blocks of a page that were leased for grants so long ago and that no grant has an index of any more.
pub async fn empty_grant_leases(
    connection: &mut Connection,
    (after, last): (Uuid, Uuid),
    until: DateTime<Utc>,
) -> Result<usize, Error> {
    let end = status_leases::first_index + status_leases::size;
    let inside = grants::table
        .filter(grants::status_list_id.eq(status_leases::status_list_id))
        .filter(grants::status_index.ge(status_leases::first_index))
        .filter(grants::status_index.lt(end));
    let empty = status_leases::table
        .filter(status_leases::id.gt(Bind(after)))
        .filter(status_leases::id.le(Bind(last)))
        .filter(status_leases::client_id.is_null())
        .filter(status_leases::leased_at.le(Bind(until)))
        .filter(not(exists(inside)));
    Ok(on!(connection, c => diesel::delete(empty).execute(c))?)
}

/// Lists that are neither the newest, from which alone indexes are taken, nor referred to by anything. Each instance then
/// stops publishing them. The newest stays whatever it holds, so that the number of a list is never given again.
pub async fn retired_lists(connection: &mut Connection) -> Result<usize, Error> {
    let newest = status_lists::table.select(status_lists::id).order(status_lists::id.desc());
    let Some(newest) = on!(&mut *connection, c => newest.first::<i64>(c)).optional()? else { return Ok(0) };
    // The first of each in its index. Asked whether one exists, PostgreSQL reads the whole table.
    let leased = status_leases::table.filter(status_leases::status_list_id.eq(status_lists::id));
    let granted = grants::table.filter(grants::status_list_id.eq(status_lists::id));
    let revoked = revocations::table.filter(revocations::status_list_id.eq(status_lists::id));
    let retired = status_lists::table
        .filter(status_lists::id.lt(newest))
        .filter(leased.select(min(status_leases::first_index)).single_value().is_null())
        .filter(granted.select(min(grants::status_index)).single_value().is_null())
        .filter(revoked.select(min(revocations::first_index)).single_value().is_null());
    let removed = on!(&mut *connection, c => diesel::delete(retired).execute(c))?;
    if removed > 0 {
        revisions::bump(connection, Topic::Revocations).await?;
    }
    Ok(removed)
}

/// Counters of logins whose attempts no longer count.
pub async fn login_throttles(connection: &mut Connection, now: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(login_throttles as ended);
    let key = rows.field(login_throttles::forgotten_at);
    let due = rows.filter(key.le(now.timestamp_micros())).order(key).limit(BATCH);
    Ok(delete_unheld!(connection, login_throttles, key, due.select(rows.field(login_throttles::key))))
}

/// Addresses from which a user has not logged in since then.
pub async fn known_addresses(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(known_addresses as ended);
    let key = rows.field(known_addresses::last_login_at);
    let due = rows.filter(key.le(Bind(until))).order(key).limit(BATCH).select(rows.field(known_addresses::key));
    Ok(delete_unheld!(connection, known_addresses, key, due))
}

/// Verifiers that were last seen by then.
pub async fn key_set_fetches(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(key_set_fetches as ended);
    let key = rows.field(key_set_fetches::last_fetched_at);
    let due = rows.filter(key.lt(Bind(until))).order(key).limit(BATCH).select(rows.field(key_set_fetches::verifier));
    Ok(delete_unheld!(connection, key_set_fetches, verifier, due))
}

/// Deliveries that arrived so long ago.
pub async fn delivered(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(webhook_deliveries as ended);
    let key = rows.field(webhook_deliveries::delivered_at);
    let due = rows.filter(key.le(Bind(until))).order(key).limit(BATCH).select(rows.field(webhook_deliveries::id));
    Ok(delete_unheld!(connection, webhook_deliveries, id, due))
}

/// Deliveries that were given up so long ago.
pub async fn given_up(connection: &mut Connection, until: DateTime<Utc>) -> Result<usize, Error> {
    let rows = diesel::alias!(webhook_deliveries as ended);
    let key = rows.field(webhook_deliveries::given_up_at);
    let due = rows.filter(key.le(Bind(until))).order(key).limit(BATCH).select(rows.field(webhook_deliveries::id));
    Ok(delete_unheld!(connection, webhook_deliveries, id, due))
}

/// Gives up what nobody has fetched, and what waits for a disabled webhook.
pub async fn overdue(connection: &mut Connection, now: DateTime<Utc>) -> Result<usize, Error> {
    use webhook_deliveries as d;
    let rows = diesel::alias!(webhook_deliveries as overdue);
    let due = rows
        .filter(rows.field(d::delivered_at).is_null())
        .filter(rows.field(d::given_up_at).is_null())
        .filter(rows.field(d::retry_until).le(Bind(now)))
        .filter(rows.field(d::leased_until).is_null().or(rows.field(d::leased_until).le(Bind(now))))
        .order(rows.field(d::retry_until))
        .limit(BATCH)
        .select(rows.field(d::id));
    let untold = || Some("it was not taken in time").into_sql::<Nullable<Text>>();
    let error = case_when(d::last_error.is_null(), untold()).otherwise(d::last_error);
    let change = (d::given_up_at.eq(Bind(now)), d::last_error.eq(error));
    let given_up = d::table.filter(d::id.eq_any(due)).filter(d::delivered_at.is_null());
    Ok(on!(connection, c => diesel::update(given_up).set(change).execute(c))?)
}
