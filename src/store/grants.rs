//! Grants: one approval each, the family that every token of it points to.
//!
//! A refresh token is a generation of its grant. Redeeming one is one guarded UPDATE: the database decides every race.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::{Prepare as _, on};
use super::schema::{grants, users};
use super::{Bind, Connection, Error, Json, Spelled, Window};
use crate::protocol::scope::Scope;

/// A row of `grants`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = grants)]
pub struct Grant {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    #[diesel(serialize_as = Bind<Uuid>)]
    pub client_id: Uuid,
    #[diesel(serialize_as = Bind<Uuid>)]
    pub user_id: Uuid,
    pub audiences: Json<Vec<String>>,
    pub scope: Spelled<Scope>,
    pub generation: i64,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub rotated_at: Option<DateTime<Utc>>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub idle_expires_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub expires_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_reason: Option<String>,
    pub status_list_id: i64,
    pub status_index: i64,
}

impl Grant {
    /// Whether its refresh token is good at `now`.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.idle_expires_at && now < self.expires_at
    }
}

/// One redemption: who presents which generation, when, and how long the grant may then lie idle.
#[derive(Clone, Copy, Debug)]
pub struct Redemption {
    pub grant: Uuid,
    pub client: Uuid,
    pub generation: i64,
    pub now: DateTime<Utc>,
    pub idle_until: DateTime<Utc>,
}

/// Which grants an administrator asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    pub grant: Option<Uuid>,
    pub user: Option<Uuid>,
    pub client: Option<Uuid>,
    /// Leaves out the revoked and expired.
    pub live_at: Option<DateTime<Utc>>,
    /// Those that may have got a token between these times: begun before the second, and last issued to since the first.
    pub issued: Option<Window>,
}

/// Narrows a boxed statement on grants to a selection: one place for all of them, so that none passes over a part of it.
macro_rules! narrow {
    ($statement:ident, $selection:expr) => {{
        let Selection { grant, user, client, live_at, issued } = $selection;
        if let Some(id) = grant {
            $statement = $statement.filter(grants::id.eq(Bind(id)));
        }
        if let Some(user) = user {
            $statement = $statement.filter(grants::user_id.eq(Bind(user)));
        }
        if let Some(client) = client {
            $statement = $statement.filter(grants::client_id.eq(Bind(client)));
        }
        if let Some(now) = live_at {
            $statement = $statement
                .filter(grants::revoked_at.is_null())
                .filter(grants::idle_expires_at.gt(Bind(now)))
                .filter(grants::expires_at.gt(Bind(now)));
        }
        if let Some((from, until)) = issued {
            let since = grants::created_at.ge(Bind(from)).or(grants::rotated_at.ge(Bind(from)));
            $statement = $statement.filter(grants::created_at.le(Bind(until))).filter(since);
        }
    }};
}

pub async fn insert(connection: &mut Connection, grant: &Grant) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(grants::table).values(grant.clone()).prepared().execute(c))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, id: Uuid) -> Result<Option<Grant>, Error> {
    Ok(on!(connection, c => grants::table.find(Bind(id)).select(Grant::as_select()).get_result(c)).optional()?)
}

/// Its user's name, and since when that user is disabled.
pub type Holder = (String, Option<DateTime<Utc>>);

/// A grant with its user, which it does not outlive.
pub async fn find_with_user(connection: &mut Connection, id: Uuid) -> Result<Option<(Grant, Holder)>, Error> {
    let found = grants::table.inner_join(users::table).filter(grants::id.eq(Bind(id)));
    let holder = (users::username, users::disabled_at);
    Ok(on!(connection, c => found.select((Grant::as_select(), holder)).get_result(c)).optional()?)
}

/// Takes the presented generation: `Some` for the one request that wins, whose grant then stands at the next one.
///
/// A database that lost its newest writes (a failover to an asynchronous standby, a restored backup) may stand behind the
/// generation presented. The caller has checked the token's MAC, so this issuer did hand it out, and nothing newer was:
/// `<=` lets such a session live on. A replay is always of a generation *before* the recorded one.
pub async fn redeem(connection: &mut Connection, redemption: Redemption) -> Result<Option<Grant>, Error> {
    let Redemption { grant, client, generation, now, idle_until } = redemption;
    let redeemable = grants::table
        .filter(grants::id.eq(Bind(grant)))
        .filter(grants::client_id.eq(Bind(client)))
        .filter(grants::generation.le(generation))
        .filter(grants::revoked_at.is_null())
        .filter(grants::idle_expires_at.gt(Bind(now)))
        .filter(grants::expires_at.gt(Bind(now)));
    Ok(on!(connection, c => diesel::update(redeemable)
        .set((
            grants::generation.eq(generation + 1),
            grants::rotated_at.eq(Bind(now)),
            grants::idle_expires_at.eq(Bind(idle_until)),
        ))
        .returning(Grant::as_returning()).prepared().get_result(c))
    .optional()?)
}

/// Marks what is selected as revoked; `reason` tells an administrator why. Answers where the grants that this call revoked
/// have their bits: list and index.
pub async fn mark_revoked(
    connection: &mut Connection,
    selection: Selection,
    now: DateTime<Utc>,
    reason: &str,
) -> Result<Vec<(i64, i64)>, Error> {
    let change = (grants::revoked_at.eq(Bind(now)), grants::revoked_reason.eq(reason));
    Ok(on!(connection, c => {
        let mut update = diesel::update(grants::table).filter(grants::revoked_at.is_null()).into_boxed();
        narrow!(update, selection);
        update.set(change).returning((grants::status_list_id, grants::status_index)).get_results(c)
    })?)
}

/// Revokes the oldest live grants that the user of `$newest` has at its client, so that `$limit` are left, it among them.
/// Answers them, each with where it has its bit: list and index. For a transaction that has locked the user's row, so that
/// logins are counted one after the other.
macro_rules! eviction {
    ($newest:expr, $limit:expr) => {{
        let (newest, others) = ($newest, diesel::alias!(grants as others));
        let now = newest.created_at;
        let beyond = others
            .filter(others.field(grants::user_id).eq(Bind(newest.user_id)))
            .filter(others.field(grants::client_id).eq(Bind(newest.client_id)))
            .filter(others.field(grants::revoked_at).is_null())
            .filter(others.field(grants::idle_expires_at).gt(Bind(now)))
            .filter(others.field(grants::expires_at).gt(Bind(now)))
            // Whatever the clock of the instance that made them: the login that is going on is not the one that ends.
            .filter(others.field(grants::id).ne(Bind(newest.id)))
            .order((others.field(grants::created_at).desc(), others.field(grants::id).desc()))
            .offset($limit - 1)
            .select(others.field(grants::id));
        let change = (grants::revoked_at.eq(Bind(now)), grants::revoked_reason.eq("evicted"));
        let evicted = grants::table.filter(grants::id.eq_any(beyond)).filter(grants::revoked_at.is_null());
        let places = (grants::id, grants::status_list_id, grants::status_index);
        diesel::update(evicted).set(change).returning(places).prepared()
    }};
}
pub(super) use eviction;

/// Keeps everybody else from adding or changing a grant until the transaction ends.
pub async fn hold(connection: &mut Connection) -> Result<(), Error> {
    connection.exclude_writers("grants").await
}

/// Where the grants that got an access token since `since` have their bits: list and index. Revoked ones are left out.
pub async fn issued_since(connection: &mut Connection, since: DateTime<Utc>) -> Result<Vec<(i64, i64)>, Error> {
    let issued = grants::created_at.ge(Bind(since)).or(grants::rotated_at.ge(Bind(since)));
    let query = grants::table
        .filter(grants::revoked_at.is_null())
        .filter(issued)
        .select((grants::status_list_id, grants::status_index));
    Ok(on!(connection, c => query.load(c))?)
}

/// How many of the selection are not revoked.
pub async fn count_unrevoked(connection: &mut Connection, selection: Selection) -> Result<i64, Error> {
    Ok(on!(connection, c => {
        let mut query = grants::table.filter(grants::revoked_at.is_null()).count().into_boxed();
        narrow!(query, selection);
        query.get_result(c)
    })?)
}

/// How many grants got an access token since `since` and are not revoked.
pub async fn count_issued_since(connection: &mut Connection, since: DateTime<Utc>) -> Result<i64, Error> {
    let issued = grants::created_at.ge(Bind(since)).or(grants::rotated_at.ge(Bind(since)));
    let query = grants::table.filter(grants::revoked_at.is_null()).filter(issued).count();
    Ok(on!(connection, c => query.get_result(c))?)
}

/// Gives the grants of a block their places in another one of the same size. Tokens issued from now on carry the new
/// index; those that are out carry the old one. Answers how many moved.
pub async fn move_block(
    connection: &mut Connection,
    (from_list, first, last): (i64, i64, i64),
    (to_list, to_first): (i64, i64),
) -> Result<usize, Error> {
    let block = grants::table
        .filter(grants::status_list_id.eq(from_list))
        .filter(grants::status_index.between(first, last))
        .filter(grants::revoked_at.is_null());
    let moved =
        (grants::status_list_id.eq(to_list), grants::status_index.eq(grants::status_index + (to_first - first)));
    Ok(on!(connection, c => diesel::update(block).set(moved).execute(c))?)
}

/// Grants in the order of their making, those behind `after`.
pub async fn list(
    connection: &mut Connection,
    selection: Selection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Grant>, Error> {
    Ok(on!(connection, c => {
        let mut query = grants::table.filter(grants::id.gt(Bind(after))).into_boxed();
        narrow!(query, selection);
        query.order(grants::id).limit(limit).select(Grant::as_select()).load(c)
    })?)
}

/// Removes the rows of a user's or client's grants. Their status bits stay set through `revocations`.
pub async fn delete(connection: &mut Connection, selection: Selection) -> Result<(), Error> {
    if let Some(user) = selection.user {
        on!(connection, c => diesel::delete(grants::table.filter(grants::user_id.eq(Bind(user)))).execute(c))?;
    }
    if let Some(client) = selection.client {
        on!(connection, c => diesel::delete(grants::table.filter(grants::client_id.eq(Bind(client)))).execute(c))?;
    }
    Ok(())
}
