//! Certificates that are ordered from an authority (ACME), and the account at it. An order is at one instance at a time, by a
//! lease; each statement of its holder requires that the lease is still its own.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::backend::on;
use super::schema::{acme_accounts, acme_certificates};
use super::{Bind, Connection, Error, Json};

/// A row of `acme_accounts`. It has no `Debug`, for it holds a sealed secret.
#[derive(Clone, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = acme_accounts)]
pub struct AcmeAccount {
    pub directory: String,
    pub sealed_credentials: Vec<u8>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
}

/// A row of `acme_certificates`. It has no `Debug`, for it holds a sealed secret.
#[derive(Clone, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = acme_certificates)]
pub struct AcmeCertificate {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub directory: String,
    /// Sorted, separated by commas.
    pub domains: String,
    /// PEM.
    pub chain: Option<String>,
    pub sealed_private_key: Option<Vec<u8>>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub not_before: Option<DateTime<Utc>>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub not_after: Option<DateTime<Utc>>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub next_order_at: DateTime<Utc>,
    pub failures: i64,
    pub last_error: Option<String>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub leased_until: Option<DateTime<Utc>>,
    pub challenges: Json<Vec<Challenge>>,
    pub version: i64,
}

/// What proves to the authority that a domain is ours: nothing of it is secret.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Challenge {
    pub domain: String,
    pub token: String,
    /// The token and the thumbprint of the account's key (RFC 8555 §8.1).
    pub key_authorization: String,
}

/// Who is at an order: by the end of the lease, which no two have in common.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub certificate: Uuid,
    pub until: DateTime<Utc>,
}

/// What an order has brought.
pub struct Issued {
    pub chain: String,
    pub sealed_private_key: Vec<u8>,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub next_order_at: DateTime<Utc>,
}

/// The row of the lease's holder.
macro_rules! held {
    ($lease:expr) => {
        acme_certificates::table
            .find(Bind($lease.certificate))
            .filter(acme_certificates::leased_until.eq(Bind(Some($lease.until))))
    };
}

pub async fn account(connection: &mut Connection, directory: &str) -> Result<Option<AcmeAccount>, Error> {
    let row = acme_accounts::table.find(directory);
    Ok(on!(connection, c => row.select(AcmeAccount::as_select()).get_result(c)).optional()?)
}

/// Keeps an account where there is none.
pub async fn keep_account(connection: &mut Connection, account: &AcmeAccount) -> Result<(), Error> {
    let row = diesel::insert_into(acme_accounts::table).values(account.clone()).on_conflict_do_nothing();
    on!(connection, c => row.execute(c))?;
    Ok(())
}

/// Sees to it that there is a row for these domains; it is due at once where there was none.
pub async fn register(
    connection: &mut Connection,
    id: Uuid,
    (directory, domains): (&str, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let new = AcmeCertificate {
        id,
        directory: directory.to_owned(),
        domains: domains.to_owned(),
        chain: None,
        sealed_private_key: None,
        not_before: None,
        not_after: None,
        next_order_at: now,
        failures: 0,
        last_error: None,
        leased_until: None,
        challenges: Json(Vec::new()),
        version: 0,
    };
    let row = diesel::insert_into(acme_certificates::table).values(new).on_conflict_do_nothing();
    on!(connection, c => row.execute(c))?;
    Ok(())
}

/// The certificate for these domains.
pub async fn find(
    connection: &mut Connection,
    (directory, domains): (&str, &str),
) -> Result<Option<AcmeCertificate>, Error> {
    let row = acme_certificates::table
        .filter(acme_certificates::directory.eq(directory))
        .filter(acme_certificates::domains.eq(domains));
    Ok(on!(connection, c => row.select(AcmeCertificate::as_select()).get_result(c)).optional()?)
}

/// How often it has changed, when it is due, and until when somebody is at it.
pub async fn standing(
    connection: &mut Connection,
    id: Uuid,
) -> Result<Option<(i64, DateTime<Utc>, Option<DateTime<Utc>>)>, Error> {
    let row = acme_certificates::table.find(Bind(id)).select((
        acme_certificates::version,
        acme_certificates::next_order_at,
        acme_certificates::leased_until,
    ));
    Ok(on!(connection, c => row.get_result(c)).optional()?)
}

/// Takes an order that is due and that nobody is at.
pub async fn lease(
    connection: &mut Connection,
    id: Uuid,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Option<Lease>, Error> {
    use acme_certificates as a;
    let row = a::table
        .find(Bind(id))
        .filter(a::next_order_at.le(Bind(now)))
        .filter(a::leased_until.is_null().or(a::leased_until.le(Bind(now))));
    let taken = on!(connection, c => diesel::update(row).set(a::leased_until.eq(Bind(Some(until)))).execute(c))?;
    Ok((taken == 1).then_some(Lease { certificate: id, until }))
}

/// Tells all instances what to answer the authority. `false` where somebody else is at the order by now.
pub async fn publish(connection: &mut Connection, lease: Lease, challenges: Vec<Challenge>) -> Result<bool, Error> {
    use acme_certificates as a;
    let change = (a::challenges.eq(Json(challenges)), a::version.eq(a::version + 1));
    Ok(on!(connection, c => diesel::update(held!(lease)).set(change).execute(c))? == 1)
}

/// The order has come about. `false` where somebody else is at it by now.
pub async fn issued(connection: &mut Connection, lease: Lease, issued: Issued) -> Result<bool, Error> {
    use acme_certificates as a;
    let change = (
        a::chain.eq(Some(issued.chain)),
        a::sealed_private_key.eq(Some(issued.sealed_private_key)),
        a::not_before.eq(Bind(Some(issued.not_before))),
        a::not_after.eq(Bind(Some(issued.not_after))),
        a::next_order_at.eq(Bind(issued.next_order_at)),
        a::failures.eq(0_i64),
        a::last_error.eq(None::<String>),
        a::leased_until.eq(Bind(None::<DateTime<Utc>>)),
        a::challenges.eq(Json(Vec::<Challenge>::new())),
        a::version.eq(a::version + 1),
    );
    Ok(on!(connection, c => diesel::update(held!(lease)).set(change).execute(c))? == 1)
}

/// The order has failed, and is due again later. `false` where somebody else is at it by now.
pub async fn failed(
    connection: &mut Connection,
    lease: Lease,
    error: &str,
    next_order_at: DateTime<Utc>,
) -> Result<bool, Error> {
    use acme_certificates as a;
    let change = (
        a::failures.eq(a::failures + 1),
        a::last_error.eq(Some(error.to_owned())),
        a::next_order_at.eq(Bind(next_order_at)),
        a::leased_until.eq(Bind(None::<DateTime<Utc>>)),
        a::challenges.eq(Json(Vec::<Challenge>::new())),
        a::version.eq(a::version + 1),
    );
    Ok(on!(connection, c => diesel::update(held!(lease)).set(change).execute(c))? == 1)
}
