//! What one password login asks and writes, in as few round trips as PostgreSQL allows: what does not depend on each other
//! is sent at once (diesel-async pipelines what goes through a shared reference). SQLite has no round trips, but each visit to
//! its thread is a change of threads, there and back: what would be sent at once is one visit.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::future::{join, join3, try_join};
use uuid::Uuid;

use super::audit_events::AuditEvent;
use super::backend::{Prepare as _, on, surrounded};
use super::grants::{Grant, eviction};
use super::schema::{audit_events, grants, known_addresses, login_throttles, revocations, users};
use super::status::revocation_of;
use super::users::{User, recorded_login};
use super::{Bind, Connection, Error};

/// What is known when somebody presents a name.
pub struct Presented {
    pub user: Option<User>,
    /// When the user last logged in from the address.
    pub known_since: Option<DateTime<Utc>>,
    /// The counters that are blocked, each with the end of its block.
    pub blocked: Vec<(Vec<u8>, DateTime<Utc>)>,
}

/// Looks up the user of a name, whether `pair` (of name and address) is known, and which of the counters are blocked.
pub async fn look_up(
    connection: &mut Connection,
    canonical_username: &str,
    pair: &[u8],
    (counters, now): (Vec<Vec<u8>>, DateTime<Utc>),
) -> Result<Presented, Error> {
    let known = known_addresses::user_id.eq(users::id).and(known_addresses::key.eq(pair.to_vec()));
    let user = users::table
        .left_join(known_addresses::table.on(known))
        .filter(users::canonical_username.eq(canonical_username.to_owned()));
    let last_login = known_addresses::last_login_at.nullable();
    let blocked = login_throttles::table
        .filter(login_throttles::key.eq_any(counters))
        .filter(login_throttles::blocked_until.gt(now.timestamp_micros()))
        .select((login_throttles::key, login_throttles::blocked_until))
        // Three keys, always.
        .prepared();
    let (user, blocked) = match connection {
        Connection::Postgres(object) => surrounded!(&mut **object, c => {
            let shared: &diesel_async::AsyncPgConnection = c;
            async move {
                let (mut first, mut second) = (shared, shared);
                try_join(
                    user.select((User::as_select(), last_login)).load::<(User, Option<DateTime<Utc>>)>(&mut first),
                    blocked.load::<(Vec<u8>, i64)>(&mut second),
                )
                .await
            }
        })?,
        Connection::Sqlite(object) => {
            let visit = move |c: &mut SqliteConnection| {
                let user = user.select((User::as_select(), last_login));
                let user = diesel::RunQueryDsl::load::<(User, Option<DateTime<Utc>>)>(user, c)?;
                Ok((user, diesel::RunQueryDsl::load::<(Vec<u8>, i64)>(blocked, c)?))
            };
            object.spawn_blocking(visit).await?
        }
    };
    let ends = blocked.into_iter().filter_map(|(key, end)| Some((key, DateTime::from_timestamp_micros(end)?)));
    let blocked = ends.collect();
    let (user, known_since) = user.into_iter().next().map_or((None, None), |(user, known)| (Some(user), known));
    Ok(Presented { user, known_since, blocked })
}

/// What is found once a grant is there, and its user's row locked.
pub struct Aftermath {
    /// Whether its place in the status lists was revoked before it came: a revocation that comes later finds it.
    pub is_revoked: bool,
    /// The grants that are one too many and were marked as revoked, each with where it has its bit: list and index.
    pub evicted: Vec<(Uuid, i64, i64)>,
}

/// Writes a login: that the user logged in, the grant, the event; and ends what it ends: the oldest grants of its user and
/// client beyond `limit`, and, where one is named, the counter of its pair. Answers `None` where the user is not as it was
/// when the password was checked ([`users::record_login`](super::users::record_login)); the transaction is to be undone then.
///
/// The order matters, and is that in which they are polled here. The user's row is locked first, so that logins of one user
/// find each other's grants and counters; and whether the place is revoked is asked when the grant is there, so that no
/// revocation passes it by.
pub async fn insert(
    connection: &mut Connection,
    user: &User,
    (grant, limit): (&Grant, i64),
    event: &AuditEvent,
    counter: Option<&[u8]>,
) -> Result<Option<Aftermath>, Error> {
    let login = recorded_login!(user, grant.created_at);
    let added = diesel::insert_into(grants::table).values(grant.clone()).prepared();
    let event = diesel::insert_into(audit_events::table).values(event.clone()).prepared();
    let revocation = revocation_of!(grant.status_list_id, grant.status_index);
    let evicted = eviction!(grant, limit);
    let counter = counter.map(|key| diesel::delete(login_throttles::table.find(key.to_vec())));
    let (recorded, revocation, evicted) = match connection {
        Connection::Postgres(object) => {
            let shared: &diesel_async::AsyncPgConnection = object;
            let [mut first, mut second, mut third, mut fourth, mut fifth, mut sixth] = [shared; 6];
            let counter = async {
                match counter {
                    Some(counter) => counter.execute(&mut sixth).await,
                    None => Ok(0),
                }
            };
            let written =
                join3(login.get_results::<i64>(&mut first), added.execute(&mut second), event.execute(&mut third));
            let ended = join3(
                revocation.get_result::<Option<DateTime<Utc>>>(&mut fourth),
                evicted.get_results(&mut fifth),
                counter,
            );
            let ((recorded, added, event), (revocation, evicted, counter)) = join(written, ended).await;
            // In the order in which they ran: the first to fail says why, such as that the user is gone, and the others only
            // that the transaction has failed.
            let recorded = recorded?;
            added?;
            event?;
            let (revocation, evicted) = (revocation?, evicted?);
            counter?;
            (recorded, revocation, evicted)
        }
        Connection::Sqlite(object) => {
            let visit = move |c: &mut SqliteConnection| {
                let recorded = diesel::RunQueryDsl::get_results::<i64>(login, c)?;
                diesel::RunQueryDsl::execute(added, c)?;
                diesel::RunQueryDsl::execute(event, c)?;
                let revocation = diesel::RunQueryDsl::get_result::<Option<DateTime<Utc>>>(revocation, c)?;
                let evicted = diesel::RunQueryDsl::get_results(evicted, c)?;
                if let Some(counter) = counter {
                    diesel::RunQueryDsl::execute(counter, c)?;
                }
                Ok((recorded, revocation, evicted))
            };
            object.spawn_blocking(visit).await?
        }
    };
    Ok((!recorded.is_empty()).then_some(Aftermath { is_revoked: revocation.is_some(), evicted }))
}

/// Begins the counter of a pair anew.
pub async fn forget(connection: &mut Connection, pair: &[u8]) -> Result<(), Error> {
    on!(connection, c => diesel::delete(login_throttles::table.find(pair)).execute(c))?;
    Ok(())
}
