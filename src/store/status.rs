//! Status lists: which indexes are taken (lists and leases), and which are revoked (ranges).

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::TryStreamExt as _;
use uuid::Uuid;

use super::backend::{insert_all, on};
use super::schema::{revocations, status_leases, status_lists};
use super::{Bind, Connection, Error, Window};

/// A row of `status_lists`.
#[derive(Clone, Copy, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = status_lists)]
pub struct StatusList {
    pub id: i64,
    pub size: i64,
    pub allocated: i64,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
}

/// A row of `status_leases`: a block of indexes that one instance hands out.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = status_leases)]
pub struct StatusLease {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub status_list_id: i64,
    /// The client whose own tokens take the indexes; absent where grants do.
    #[diesel(serialize_as = Bind<Option<Uuid>>)]
    pub client_id: Option<Uuid>,
    pub first_index: i64,
    pub size: i64,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub leased_at: DateTime<Utc>,
    /// The key that signs the tokens of the client; absent where grants take the indexes, for they outlive keys.
    pub kid: Option<String>,
}

/// A row of `revocations`: `first_index` to `last_index`, both included, are invalid.
#[derive(Clone, Copy, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = revocations)]
pub struct Revocation {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub status_list_id: i64,
    pub first_index: i64,
    pub last_index: i64,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub revoked_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub expires_at: DateTime<Utc>,
    /// What the counter of revocations stood at in this transaction; 0 from before that was written down. In the order of
    /// the commits.
    pub revision: i64,
}

/// Takes the next `size` indexes of the newest list. `None` when it has not so many left, or there is no list.
pub async fn take(connection: &mut Connection, size: i64) -> Result<Option<(i64, i64)>, Error> {
    let newest = status_lists::table.select(status_lists::id).order(status_lists::id.desc());
    let Some(list) = on!(connection, c => newest.first::<i64>(c)).optional()? else { return Ok(None) };
    let room = status_lists::table
        .filter(status_lists::id.eq(list))
        .filter((status_lists::allocated + size).le(status_lists::size));
    let taking = diesel::update(room)
        .set(status_lists::allocated.eq(status_lists::allocated + size))
        .returning(status_lists::allocated);
    let allocated = on!(connection, c => taking.get_result::<i64>(c)).optional()?;
    Ok(allocated.map(|allocated| (list, allocated - size)))
}

/// Opens a list behind the newest one.
pub async fn open_list(connection: &mut Connection, size: i64, now: DateTime<Utc>) -> Result<(), Error> {
    let newest = status_lists::table.select(status_lists::id).order(status_lists::id.desc());
    let last = on!(connection, c => newest.first::<i64>(c)).optional()?.unwrap_or(0);
    let list = StatusList { id: last + 1, size, allocated: 0, created_at: now };
    on!(connection, c => diesel::insert_into(status_lists::table).values(list).execute(c))?;
    Ok(())
}

/// Closes every list, so that no index is handed out from them any more, and opens one `distance` behind the newest:
/// beyond what another database of this issuer may have opened since this one was copied from it.
pub async fn close_lists(connection: &mut Connection, distance: i64, now: DateTime<Utc>) -> Result<(), Error> {
    let lists = status_lists::table.order(status_lists::id.desc());
    let newest = on!(&mut *connection, c => lists.select(StatusList::as_select()).first(c)).optional()?;
    let Some(newest) = newest else { return Ok(()) };
    let closing = diesel::update(status_lists::table).set(status_lists::allocated.eq(status_lists::size));
    on!(&mut *connection, c => closing.execute(c))?;
    let list = StatusList { id: newest.id + distance, size: newest.size, allocated: 0, created_at: now };
    on!(connection, c => diesel::insert_into(status_lists::table).values(list).execute(c))?;
    Ok(())
}

pub async fn insert_lease(connection: &mut Connection, lease: &StatusLease) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(status_leases::table).values(lease.clone()).execute(c))?;
    Ok(())
}

/// The blocks that a client, or any client, takes its own tokens' indexes from; those leased between two times.
pub async fn leases_of_clients(
    connection: &mut Connection,
    client: Option<Uuid>,
    leased: Option<Window>,
) -> Result<Vec<StatusLease>, Error> {
    Ok(on!(connection, c => {
        let mut query = status_leases::table.filter(status_leases::client_id.is_not_null()).into_boxed();
        if let Some(client) = client {
            query = query.filter(status_leases::client_id.eq(Bind(client)));
        }
        if let Some((from, until)) = leased {
            query = query.filter(status_leases::leased_at.ge(Bind(from))).filter(status_leases::leased_at.le(Bind(until)));
        }
        query.select(StatusLease::as_select()).load(c)
    })?)
}

/// The blocks of tokens that were signed with the key, and those of clients from before the key was recorded.
pub async fn leases_of_key(connection: &mut Connection, kid: &str) -> Result<Vec<StatusLease>, Error> {
    let own = status_leases::client_id.is_not_null().and(status_leases::kid.eq(kid).or(status_leases::kid.is_null()));
    Ok(on!(connection, c => status_leases::table.filter(own).select(StatusLease::as_select()).load(c))?)
}

/// The blocks that grants take their indexes from.
pub async fn leases_of_grants(connection: &mut Connection) -> Result<Vec<StatusLease>, Error> {
    let own = status_leases::client_id.is_null();
    Ok(on!(connection, c => status_leases::table.filter(own).select(StatusLease::as_select()).load(c))?)
}

/// Keeps others from taking indexes until the transaction ends: every block that is leased later is leased after it.
pub async fn hold(connection: &mut Connection) -> Result<(), Error> {
    let unchanged = diesel::update(status_lists::table).set(status_lists::allocated.eq(status_lists::allocated));
    on!(connection, c => unchanged.execute(c))?;
    Ok(())
}

pub async fn insert_revocations(connection: &mut Connection, rows: &[Revocation]) -> Result<(), Error> {
    insert_all!(connection, revocations::table, rows);
    Ok(())
}

pub async fn lists(connection: &mut Connection) -> Result<Vec<StatusList>, Error> {
    Ok(on!(connection, c => status_lists::table.order(status_lists::id).select(StatusList::as_select()).load(c))?)
}

pub async fn find_list(connection: &mut Connection, id: i64) -> Result<Option<StatusList>, Error> {
    let found = on!(connection, c => status_lists::table.find(id).select(StatusList::as_select()).get_result(c));
    Ok(found.optional()?)
}

/// What was revoked behind a revision and still counts at `now`, handed on row by row: there may be very many.
pub async fn revocations_behind(
    connection: &mut Connection,
    (revision, now): (i64, DateTime<Utc>),
    mut each: impl FnMut(Revocation),
) -> Result<(), Error> {
    on!(connection, c => async {
        let behind = revocations::table
            .filter(revocations::revision.gt(revision))
            .filter(revocations::expires_at.gt(Bind(now)))
            .select(Revocation::as_select());
        let mut rows = std::pin::pin!(behind.load_stream::<Revocation>(c).await?);
        while let Some(row) = rows.try_next().await? {
            each(row);
        }
        Ok(())
    })
}

/// What was revoked of one list behind a revision, at most so many ranges.
pub async fn revocations_of(
    connection: &mut Connection,
    list: i64,
    revision: i64,
    most: i64,
) -> Result<Vec<Revocation>, Error> {
    Ok(on!(connection, c => revocations::table
        .filter(revocations::revision.gt(revision))
        .filter(revocations::status_list_id.eq(list))
        .order(revocations::revision)
        .limit(most)
        .select(Revocation::as_select())
        .load(c))?)
}

pub async fn count_revocations(connection: &mut Connection) -> Result<i64, Error> {
    Ok(on!(connection, c => revocations::table.count().get_result(c))?)
}

/// The highest revision that a revocation has.
pub async fn newest_revision(connection: &mut Connection) -> Result<i64, Error> {
    let newest = revocations::table.select(diesel::dsl::max(revocations::revision));
    Ok(on!(connection, c => newest.get_result::<Option<i64>>(c))?.unwrap_or_default())
}

/// The query of [`revoked_at`]: ranges of one index are found by it, those of several by an index of their own. A table of
/// all that was revoked while tokens live is large, and `first_index <= …` alone would go through half of it.
macro_rules! revocation_of {
    ($list:expr, $index:expr) => {{
        let in_list = || revocations::status_list_id.eq($list);
        let several = in_list().and(revocations::first_index.lt(revocations::last_index));
        let around = several.and(revocations::first_index.le($index)).and(revocations::last_index.ge($index));
        revocations::table
            .filter(in_list().and(revocations::first_index.eq($index)).or(around))
            .select(diesel::dsl::min(revocations::revoked_at))
    }};
}
pub(super) use revocation_of;

/// When the index was revoked, if it was.
pub async fn revoked_at(connection: &mut Connection, list: i64, index: i64) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(on!(connection, c => revocation_of!(list, index).get_result(c))?)
}
