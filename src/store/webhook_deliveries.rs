//! The outbox: an event on its way to a webhook. It is written with the audit event that it comes from, in one transaction, and
//! is at one instance at a time, by a lease; whoever crashes with it lets the lease run out.

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::audit_events::AuditEvent;
use super::backend::{insert_all, on, surrounded};
use super::schema::webhook_deliveries;
use super::webhooks::{self, Webhook};
use super::{Bind, Connection, Error, Json};
use crate::protocol::security_event::{Kind, Recorded, SecurityEvent};

/// What is to be told at `now`, and nobody is at.
macro_rules! due {
    ($now:expr) => {{
        use $crate::store::schema::webhook_deliveries as d;
        d::delivered_at
            .is_null()
            .and(d::given_up_at.is_null())
            .and(d::next_attempt_at.le($crate::store::Bind($now)))
            .and(d::leased_until.is_null().or(d::leased_until.le($crate::store::Bind($now))))
    }};
}
pub(super) use due;

/// How long there are attempts.
pub const TRIED_FOR: Duration = Duration::days(3);

/// A row of `webhook_deliveries`.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries)]
pub struct WebhookDelivery {
    /// The `jti` of every token that delivers it.
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    #[diesel(serialize_as = Bind<Uuid>)]
    pub webhook_id: Uuid,
    /// By its name, for a newer instance may know more of them.
    pub kind: String,
    /// A [`SecurityEvent`].
    pub payload: Json<serde_json::Value>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub at: DateTime<Utc>,
    pub attempts: i64,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub next_attempt_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub retry_until: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub leased_until: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub delivered_at: Option<DateTime<Utc>>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub given_up_at: Option<DateTime<Utc>>,
}

impl WebhookDelivery {
    pub fn new(id: Uuid, webhook: Uuid, (kind, event): (Kind, &SecurityEvent), at: DateTime<Utc>) -> Self {
        Self {
            id,
            webhook_id: webhook,
            kind: kind.to_string(),
            payload: Json(serde_json::json!(event)),
            at,
            attempts: 0,
            next_attempt_at: at,
            retry_until: at + TRIED_FOR,
            leased_until: None,
            last_error: None,
            delivered_at: None,
            given_up_at: None,
        }
    }
}

/// Puts an entry of the audit trail into the outbox, for each enabled webhook that wants it. Of most entries nobody is told,
/// and they cost nothing here.
pub(super) async fn enqueue(connection: &mut Connection, entry: &AuditEvent) -> Result<(), Error> {
    let recorded = Recorded {
        action: &entry.action,
        target: &entry.target,
        details: &entry.details.0,
        request_id: entry.request_id.as_deref(),
    };
    let events = recorded.security_events();
    if events.is_empty() {
        return Ok(());
    }
    let told = webhooks::enabled(&mut *connection).await?;
    let wanted = |webhook: &Webhook| {
        let events = events.iter().enumerate().filter(|(_, (kind, _))| webhook.wants(*kind));
        let rows = events.map(|(number, (kind, event))| {
            let id = identifier(entry.id, webhook.id, number);
            WebhookDelivery::new(id, webhook.id, (*kind, event), entry.at)
        });
        rows.collect::<Vec<_>>()
    };
    let rows: Vec<WebhookDelivery> = told.iter().flat_map(wanted).collect();
    if !rows.is_empty() {
        insert_all!(connection, webhook_deliveries::table, rows);
    }
    Ok(())
}

/// The identifier of an entry's event for a webhook: a UUID of version 8 that begins with the entry's time, as its own does.
fn identifier(entry: Uuid, webhook: Uuid, number: usize) -> Uuid {
    let mut digest = Context::new(&SHA256);
    digest.update(entry.as_bytes());
    digest.update(webhook.as_bytes());
    digest.update(&number.to_be_bytes());
    let mut bytes = *entry.as_bytes();
    bytes[6..].copy_from_slice(&digest.finish().as_ref()[..10]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

pub async fn insert(connection: &mut Connection, delivery: &WebhookDelivery) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(webhook_deliveries::table).values(delivery.clone()).execute(c))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, id: Uuid) -> Result<Option<WebhookDelivery>, Error> {
    let row = webhook_deliveries::table.find(Bind(id));
    Ok(on!(connection, c => row.select(WebhookDelivery::as_select()).get_result(c)).optional()?)
}

/// Takes what is due for a webhook, at most `limit`, for as long as the lease lasts: nobody else gets it until then. For a
/// transaction: what another one is taking is passed over.
pub async fn claim(
    connection: &mut Connection,
    webhook: Uuid,
    (now, leased_until): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<WebhookDelivery>, Error> {
    use webhook_deliveries as d;
    let due = d::table
        .filter(d::webhook_id.eq(Bind(webhook)))
        .filter(due!(now))
        .order((d::next_attempt_at, d::id))
        .limit(limit)
        .select(d::id);
    // Not as a part of the update: PostgreSQL may then carry it out more than once, and take more than the limit.
    let ids: Vec<Uuid> = match &mut *connection {
        Connection::Postgres(object) => surrounded!(&mut **object, c => due.for_update().skip_locked().load(c))?,
        Connection::Sqlite(object) => due.load(&mut **object).await?,
    };
    let mut taken = Vec::with_capacity(ids.len());
    for id in ids {
        let row = d::table
            .find(Bind(id))
            .filter(d::delivered_at.is_null())
            .filter(d::leased_until.is_null().or(d::leased_until.le(Bind(now))));
        let lease = (d::leased_until.eq(Bind(leased_until)), d::attempts.eq(d::attempts + 1));
        let leased = on!(&mut *connection, c => diesel::update(row).set(lease)
            .returning(WebhookDelivery::as_returning()).get_result(c));
        taken.extend(leased.optional()?);
    }
    Ok(taken)
}

/// Whether anything is due for a webhook that nobody is at.
pub async fn is_due(connection: &mut Connection, webhook: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    use webhook_deliveries as d;
    let due = d::table.filter(d::webhook_id.eq(Bind(webhook))).filter(due!(now)).select(d::id);
    Ok(on!(connection, c => due.first::<Uuid>(c)).optional()?.is_some())
}

/// It arrived, whoever has the lease by now.
pub async fn delivered(
    connection: &mut Connection,
    webhook: Uuid,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    use webhook_deliveries as d;
    let none = Bind(None::<DateTime<Utc>>);
    for id in ids {
        let row = d::table.find(Bind(*id)).filter(d::webhook_id.eq(Bind(webhook))).filter(d::delivered_at.is_null());
        let change = (
            d::delivered_at.eq(Bind(now)),
            d::leased_until.eq(none),
            d::given_up_at.eq(none),
            d::last_error.eq(None::<String>),
        );
        on!(&mut *connection, c => diesel::update(row).set(change).execute(c))?;
    }
    Ok(())
}

/// What comes after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    At(DateTime<Utc>),
    GivenUp(DateTime<Utc>),
}

/// An attempt failed. Changes nothing where the lease of the attempt has run out and somebody else is at it.
pub async fn failed(
    connection: &mut Connection,
    attempt: &WebhookDelivery,
    error: &str,
    next: Next,
) -> Result<(), Error> {
    use webhook_deliveries as d;
    let row = d::table
        .find(Bind(attempt.id))
        .filter(d::delivered_at.is_null())
        .filter(d::leased_until.eq(Bind(attempt.leased_until)));
    let (next_attempt_at, given_up_at) = match next {
        Next::At(at) => (at, None),
        Next::GivenUp(at) => (attempt.next_attempt_at, Some(at)),
    };
    let change = (
        d::leased_until.eq(Bind(None::<DateTime<Utc>>)),
        d::last_error.eq(error.to_owned()),
        d::next_attempt_at.eq(Bind(next_attempt_at)),
        d::given_up_at.eq(Bind(given_up_at)),
    );
    on!(connection, c => diesel::update(row).set(change).execute(c))?;
    Ok(())
}

/// A receiver that polls refuses it.
pub async fn refused(
    connection: &mut Connection,
    (webhook, id): (Uuid, Uuid),
    error: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    use webhook_deliveries as d;
    let row = d::table.find(Bind(id)).filter(d::webhook_id.eq(Bind(webhook))).filter(d::delivered_at.is_null());
    let change = (
        d::leased_until.eq(Bind(None::<DateTime<Utc>>)),
        d::last_error.eq(error.to_owned()),
        d::given_up_at.eq(Bind(now)),
    );
    on!(connection, c => diesel::update(row).set(change).execute(c))?;
    Ok(())
}

/// Lets it be delivered again, whatever became of it.
pub async fn begin_anew(connection: &mut Connection, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    use webhook_deliveries as d;
    let none = Bind(None::<DateTime<Utc>>);
    let change = (
        d::attempts.eq(0_i64),
        d::next_attempt_at.eq(Bind(now)),
        d::retry_until.eq(Bind(now + TRIED_FOR)),
        d::leased_until.eq(none),
        d::last_error.eq(None::<String>),
        d::delivered_at.eq(none),
        d::given_up_at.eq(none),
    );
    on!(connection, c => diesel::update(d::table.find(Bind(id))).set(change).execute(c))?;
    Ok(())
}

/// How many are still to be told, of all webhooks.
pub async fn count_pending(connection: &mut Connection) -> Result<i64, Error> {
    use webhook_deliveries as d;
    let pending = d::table.filter(d::delivered_at.is_null()).filter(d::given_up_at.is_null());
    Ok(on!(connection, c => pending.count().get_result(c))?)
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Pending,
    Failed,
    Delivered,
}

/// Deliveries of a webhook in the order of their events, those behind `after`.
pub async fn list(
    connection: &mut Connection,
    (webhook, standing): (Uuid, Option<Standing>),
    after: Uuid,
    limit: i64,
) -> Result<Vec<WebhookDelivery>, Error> {
    use webhook_deliveries as d;
    Ok(on!(connection, c => {
        let mut query = d::table.filter(d::webhook_id.eq(Bind(webhook))).filter(d::id.gt(Bind(after))).into_boxed();
        match standing {
            Some(Standing::Pending) => query = query.filter(d::delivered_at.is_null()).filter(d::given_up_at.is_null()),
            Some(Standing::Failed) => query = query.filter(d::delivered_at.is_null()).filter(d::given_up_at.is_not_null()),
            Some(Standing::Delivered) => query = query.filter(d::delivered_at.is_not_null()),
            None => {}
        }
        query.order(d::id).limit(limit).select(WebhookDelivery::as_select()).load(c)
    })?)
}
