//! The seals of the audit trail. What they say and how they are checked is in [`audit`](crate::audit).

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::audit_seals;
use super::{Bind, Connection, Error, Json};
use crate::protocol::jwk::PublicJwk;

/// A row of `audit_seals`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_seals)]
pub struct AuditSeal {
    /// From 1, without gaps.
    pub number: i64,
    /// How many are under it.
    pub events: i64,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub first_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub last_at: DateTime<Utc>,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub kid: String,
    pub public_jwk: Json<PublicJwk>,
    pub signature: String,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub sealed_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub purged_at: Option<DateTime<Utc>>,
}

pub async fn insert(connection: &mut Connection, seal: &AuditSeal) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(audit_seals::table).values(seal.clone()).execute(c))?;
    Ok(())
}

pub async fn newest(connection: &mut Connection) -> Result<Option<AuditSeal>, Error> {
    Ok(on!(connection, c => audit_seals::table
        .order(audit_seals::number.desc())
        .select(AuditSeal::as_select()).first(c))
    .optional()?)
}

/// Seals behind a number, in their order.
pub async fn page(connection: &mut Connection, after: i64, limit: i64) -> Result<Vec<AuditSeal>, Error> {
    Ok(on!(connection, c => audit_seals::table
        .filter(audit_seals::number.gt(after))
        .order(audit_seals::number)
        .limit(limit)
        .select(AuditSeal::as_select()).load(c))?)
}

/// The first seal whose events are there and whose last one is not younger than `until`.
pub async fn first_due(connection: &mut Connection, until: DateTime<Utc>) -> Result<Option<AuditSeal>, Error> {
    Ok(on!(connection, c => audit_seals::table
        .filter(audit_seals::purged_at.is_null())
        .filter(audit_seals::last_at.le(Bind(until)))
        .order((audit_seals::last_at, audit_seals::number))
        .select(AuditSeal::as_select()).first(c))
    .optional()?)
}

pub async fn set_purged_at(connection: &mut Connection, number: i64, at: DateTime<Utc>) -> Result<(), Error> {
    let seal = audit_seals::table.find(number);
    on!(connection, c => diesel::update(seal).set(audit_seals::purged_at.eq(Bind(at))).execute(c))?;
    Ok(())
}
