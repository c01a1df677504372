//! What one password login asks and writes, in as few round trips as PostgreSQL allows: what does not depend on each other
//! is sent at once (diesel-async pipelines what goes through a shared reference). SQLite has no round trips.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::future::{try_join, try_join3};

use super::audit_events::AuditEvent;
use super::backend::{Prepare as _, on, surrounded};
use super::grants::Grant;
use super::schema::{audit_events, grants, known_addresses, login_throttles, users};
use super::users::User;
use super::{Connection, Error};

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
    let known = known_addresses::user_id.eq(users::id).and(known_addresses::key.eq(pair));
    let user = users::table
        .left_join(known_addresses::table.on(known))
        .filter(users::canonical_username.eq(canonical_username));
    let last_login = known_addresses::last_login_at.nullable();
    let blocked = login_throttles::table
        .filter(login_throttles::key.eq_any(counters))
        .filter(login_throttles::blocked_until.gt(now.timestamp_micros()))
        .select((login_throttles::key, login_throttles::blocked_until));
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
        Connection::Sqlite(object) => (
            user.select((User::as_select(), last_login)).load::<(User, Option<DateTime<Utc>>)>(&mut **object).await?,
            blocked.load::<(Vec<u8>, i64)>(&mut **object).await?,
        ),
    };
    let ends = blocked.into_iter().filter_map(|(key, end)| Some((key, DateTime::from_timestamp_micros(end)?)));
    let blocked = ends.collect();
    let (user, known_since) = user.into_iter().next().map_or((None, None), |(user, known)| (Some(user), known));
    Ok(Presented { user, known_since, blocked })
}

/// Writes a login: its grant, its event, and the end of the counter of its pair.
pub async fn insert(
    connection: &mut Connection,
    grant: &Grant,
    event: &AuditEvent,
    pair: Option<&[u8]>,
) -> Result<(), Error> {
    let grant = diesel::insert_into(grants::table).values(grant.clone()).prepared();
    let event = diesel::insert_into(audit_events::table).values(event.clone()).prepared();
    let counter = pair.map(|key| diesel::delete(login_throttles::table.find(key)));
    match connection {
        Connection::Postgres(object) => {
            let shared: &diesel_async::AsyncPgConnection = object;
            let (mut first, mut second, mut third) = (shared, shared, shared);
            let counter = async {
                match counter {
                    Some(counter) => counter.execute(&mut third).await,
                    None => Ok(0),
                }
            };
            try_join3(grant.execute(&mut first), event.execute(&mut second), counter).await?;
        }
        Connection::Sqlite(object) => {
            grant.execute(&mut **object).await?;
            event.execute(&mut **object).await?;
            if let Some(counter) = counter {
                counter.execute(&mut **object).await?;
            }
        }
    }
    Ok(())
}

/// Begins the counter of a pair anew.
pub async fn forget(connection: &mut Connection, pair: &[u8]) -> Result<(), Error> {
    on!(connection, c => diesel::delete(login_throttles::table.find(pair)).execute(c))?;
    Ok(())
}
