//! Who fetched the key set, and when last. For an administrator to look at; nothing is decided by it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use super::backend::{on, surrounded};
use super::schema::key_set_fetches;
use super::{Bind, Connection, Error};

/// A row of `key_set_fetches`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = key_set_fetches)]
pub struct KeySetFetch {
    /// A kind, a colon, and a name; see the migration.
    pub verifier: String,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub last_fetched_at: DateTime<Utc>,
    /// The `created_at` of the newest key in the set that was fetched.
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub newest_key_at: DateTime<Utc>,
}

impl KeySetFetch {
    /// Whether it has a key set with a key that was made at `created_at`.
    pub fn knows(&self, created_at: DateTime<Utc>) -> bool {
        self.newest_key_at >= created_at
    }
}

/// The verifiers that nobody vouched for begin so.
pub const AGENT: &str = "agent:";

/// Writes what was seen, each verifier once. What another instance has seen later stays.
pub async fn record(connection: &mut Connection, seen: &[KeySetFetch]) -> Result<(), Error> {
    use diesel::query_dsl::methods::FilterDsl;

    macro_rules! upsert {
        ($rows:expr) => {{
            let insert = diesel::insert_into(key_set_fetches::table).values($rows);
            let latest = insert.on_conflict(key_set_fetches::verifier).do_update().set((
                key_set_fetches::last_fetched_at.eq(excluded(key_set_fetches::last_fetched_at)),
                key_set_fetches::newest_key_at.eq(excluded(key_set_fetches::newest_key_at)),
            ));
            FilterDsl::filter(latest, excluded(key_set_fetches::last_fetched_at).gt(key_set_fetches::last_fetched_at))
        }};
    }
    match connection {
        Connection::Postgres(object) => {
            // A statement takes 65,535 values.
            for batch in seen.chunks(1000) {
                surrounded!(&mut **object, c => upsert!(batch.to_vec()).execute(c))?;
            }
        }
        Connection::Sqlite(object) => {
            for row in seen {
                upsert!(row.clone()).execute(&mut **object).await?;
            }
        }
    }
    Ok(())
}

/// Every verifier that fetched since `since`, by name.
pub async fn since(connection: &mut Connection, since: DateTime<Utc>) -> Result<Vec<KeySetFetch>, Error> {
    Ok(on!(connection, c => key_set_fetches::table
        .filter(key_set_fetches::last_fetched_at.ge(Bind(since)))
        .order(key_set_fetches::verifier)
        .select(KeySetFetch::as_select()).load(c))?)
}

/// Removes what was last seen before `before`, and of the agents all but the newest `most`: anyone can invent names.
pub async fn purge(connection: &mut Connection, before: DateTime<Utc>, most: i64) -> Result<(), Error> {
    let old = key_set_fetches::table.filter(key_set_fetches::last_fetched_at.lt(Bind(before)));
    on!(&mut *connection, c => diesel::delete(old).execute(c))?;
    let agents = key_set_fetches::verifier.like(format!("{AGENT}%"));
    let excess = key_set_fetches::table
        .filter(agents.clone())
        .order(key_set_fetches::last_fetched_at.desc())
        .offset(most)
        .select(key_set_fetches::last_fetched_at);
    let newest_excess = on!(&mut *connection, c => excess.first::<DateTime<Utc>>(c)).optional()?;
    if let Some(last) = newest_excess {
        let excess = key_set_fetches::table.filter(agents).filter(key_set_fetches::last_fetched_at.le(Bind(last)));
        on!(connection, c => diesel::delete(excess).execute(c))?;
    }
    Ok(())
}
