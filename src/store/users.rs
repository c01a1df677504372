//! Users: who may log in.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::{Prepare as _, insert_all, on};
use super::schema::users;
use super::{Bind, Connection, Error};

/// A row of `users`. It has no `Debug`, for it holds the password's hash.
#[derive(Clone, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub username: String,
    pub canonical_username: String,
    pub email: Option<String>,
    /// A PHC string, or what `password` makes of another system's hash.
    pub password_hash: Option<String>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub password_changed_at: DateTime<Utc>,
    /// Counts the changes of the password; a rehash of the same one is none.
    pub password_version: i64,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub last_login_at: Option<DateTime<Utc>>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when the password is refused by the password grant.
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub password_grant_disabled_at: Option<DateTime<Utc>>,
}

pub async fn insert(connection: &mut Connection, user: &User) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(users::table).values(user.clone()).execute(c))?;
    Ok(())
}

/// Inserts all or, where one is there already, none: the caller's transaction fails then.
pub async fn insert_many(connection: &mut Connection, users: &[User]) -> Result<(), Error> {
    insert_all!(connection, users::table, users);
    Ok(())
}

/// Of these canonical names those that a user has, each with the name as the user has it.
pub async fn names_among(connection: &mut Connection, canonical: &[&str]) -> Result<Vec<(String, String)>, Error> {
    Ok(on!(connection, c => users::table
        .filter(users::canonical_username.eq_any(canonical))
        .select((users::canonical_username, users::username)).load(c))?)
}

/// The password hashes of the users with identifiers behind `after`, each with its identifier.
pub async fn password_hashes(
    connection: &mut Connection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, Option<String>)>, Error> {
    let rows: Vec<(Uuid, Option<String>)> = on!(connection, c => users::table
        .filter(users::id.gt(Bind(after)))
        .order(users::id)
        .limit(limit)
        .select((users::id, users::password_hash)).load(c))?;
    Ok(rows)
}

pub async fn find(connection: &mut Connection, id: Uuid) -> Result<Option<User>, Error> {
    Ok(on!(connection, c => users::table.find(Bind(id)).select(User::as_select()).get_result(c)).optional()?)
}

pub async fn find_by_name(connection: &mut Connection, canonical_username: &str) -> Result<Option<User>, Error> {
    Ok(on!(connection, c => users::table.filter(users::canonical_username.eq(canonical_username)).select(User::as_select()).get_result(c)).optional()?)
}

/// Users whose canonical names begin with `prefix`, in the order of those, behind `after`.
pub async fn list(connection: &mut Connection, prefix: &str, after: &str, limit: i64) -> Result<Vec<User>, Error> {
    // The wildcards of LIKE stand for themselves.
    let escaped = prefix.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = format!("{escaped}%");
    Ok(on!(connection, c => users::table
        .filter(users::canonical_username.like(&pattern).escape('\\'))
        .filter(users::canonical_username.gt(after))
        .order(users::canonical_username)
        .limit(limit)
        .select(User::as_select()).load(c))?)
}

pub async fn count(connection: &mut Connection) -> Result<i64, Error> {
    Ok(on!(connection, c => users::table.count().get_result(c))?)
}

/// The statement of [`record_login`].
macro_rules! recorded_login {
    ($user:expr, $now:expr) => {{
        let unchanged = users::table
            .filter(users::id.eq(Bind($user.id)))
            .filter(users::password_version.eq($user.password_version))
            .filter(users::disabled_at.is_null())
            .filter(users::password_grant_disabled_at.is_null());
        // Answers something, so that SQLite keeps it prepared, too (`Prepare::prepared`).
        let recorded = diesel::update(unchanged).set(users::last_login_at.eq(Bind($now)));
        recorded.returning(users::password_version).prepared()
    }};
}
pub(super) use recorded_login;

/// Records a login, provided that the user is still the one whose password was checked: not disabled, and with the same
/// password. It locks the row, so that a password change running at the same time either comes first, and this answers
/// `false`, or comes later and sees the grant that this login makes in the same transaction.
pub async fn record_login(connection: &mut Connection, user: &User, now: DateTime<Utc>) -> Result<bool, Error> {
    let recorded: Vec<i64> = on!(connection, c => recorded_login!(user, now).get_results(c))?;
    Ok(!recorded.is_empty())
}

/// Replaces an outdated hash of the same password, unless the password was changed meanwhile.
pub async fn rehash(connection: &mut Connection, user: &User, password_hash: &str) -> Result<(), Error> {
    let unchanged =
        users::table.filter(users::id.eq(Bind(user.id))).filter(users::password_version.eq(user.password_version));
    on!(connection, c => diesel::update(unchanged).set(users::password_hash.eq(password_hash)).execute(c))?;
    Ok(())
}

pub async fn set_password(
    connection: &mut Connection,
    id: Uuid,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let change = (
        users::password_hash.eq(password_hash),
        users::password_changed_at.eq(Bind(now)),
        users::password_version.eq(users::password_version + 1),
    );
    on!(connection, c => diesel::update(users::table.find(Bind(id))).set(change).execute(c))?;
    Ok(())
}

pub async fn set_disabled(connection: &mut Connection, id: Uuid, at: Option<DateTime<Utc>>) -> Result<(), Error> {
    on!(connection, c => diesel::update(users::table.find(Bind(id))).set(users::disabled_at.eq(Bind(at))).execute(c))?;
    Ok(())
}

pub async fn set_password_grant_disabled(
    connection: &mut Connection,
    id: Uuid,
    at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let change = users::password_grant_disabled_at.eq(Bind(at));
    on!(connection, c => diesel::update(users::table.find(Bind(id))).set(change).execute(c))?;
    Ok(())
}

pub async fn set_email(connection: &mut Connection, id: Uuid, email: Option<&str>) -> Result<(), Error> {
    on!(connection, c => diesel::update(users::table.find(Bind(id))).set(users::email.eq(email)).execute(c))?;
    Ok(())
}

/// The names of the users of these identifiers.
pub async fn names(connection: &mut Connection, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>, Error> {
    let named = users::table.filter(users::id.eq_any(ids.iter().copied().map(Bind)));
    Ok(on!(connection, c => named.select((users::id, users::username)).load(c))?)
}

pub async fn delete(connection: &mut Connection, id: Uuid) -> Result<(), Error> {
    on!(connection, c => diesel::delete(users::table.find(Bind(id))).execute(c))?;
    Ok(())
}
