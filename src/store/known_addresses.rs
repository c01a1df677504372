//! From where users have logged in, each pair of a user's name and an address as one MAC.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::on;
use super::schema::known_addresses;
use super::{Bind, Connection, Error};

/// A row of `known_addresses`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = known_addresses)]
pub struct KnownAddress {
    pub key: Vec<u8>,
    #[diesel(serialize_as = Bind<Uuid>)]
    pub user_id: Uuid,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub last_login_at: DateTime<Utc>,
}

/// Remembers a login, and forgets the user's addresses beyond the `most` that were used last.
pub async fn remember(connection: &mut Connection, known: &KnownAddress, most: i64) -> Result<(), Error> {
    on!(&mut *connection, c => diesel::insert_into(known_addresses::table)
        .values(known.clone())
        .on_conflict(known_addresses::key)
        .do_update()
        .set((
            known_addresses::user_id.eq(excluded(known_addresses::user_id)),
            known_addresses::last_login_at.eq(excluded(known_addresses::last_login_at)),
        ))
        .execute(c))?;
    let others = diesel::alias!(known_addresses as others);
    let beyond = others
        .filter(others.field(known_addresses::user_id).eq(Bind(known.user_id)))
        .order((others.field(known_addresses::last_login_at).desc(), others.field(known_addresses::key).desc()))
        .offset(most)
        .select(others.field(known_addresses::key));
    on!(connection, c => diesel::delete(known_addresses::table.filter(known_addresses::key.eq_any(beyond))).execute(c))?;
    Ok(())
}
