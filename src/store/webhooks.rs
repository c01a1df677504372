//! Webhooks: who is told of security events. What is on its way to them is in `webhook_deliveries`.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::{on, surrounded};
use super::schema::{webhook_deliveries, webhooks};
use super::webhook_deliveries::due;
use super::{Bind, Connection, Error, Json, Spelled};
use crate::protocol::security_event::{Delivery, Kind};

/// A row of `webhooks`. It has no `Debug`, for it holds a sealed secret.
#[derive(Clone, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = webhooks)]
pub struct Webhook {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub name: String,
    pub delivery: Spelled<Delivery>,
    /// Of one that is pushed to.
    pub endpoint: Option<String>,
    /// Kinds by their names, for a newer instance may know more of them; none: all.
    pub events: Json<Vec<String>>,
    pub sealed_authorization: Option<Vec<u8>>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub disabled_at: Option<DateTime<Utc>>,
}

impl Webhook {
    pub fn wants(&self, kind: Kind) -> bool {
        self.events.0.is_empty() || self.events.0.iter().any(|wanted| wanted == kind.as_str())
    }
}

pub async fn insert(connection: &mut Connection, webhook: &Webhook) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(webhooks::table).values(webhook.clone()).execute(c))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, name: &str) -> Result<Option<Webhook>, Error> {
    Ok(on!(connection, c => webhooks::table.filter(webhooks::name.eq(name)).select(Webhook::as_select()).get_result(c))
        .optional()?)
}

/// Webhooks in the order of their names, those behind `after`.
pub async fn list(connection: &mut Connection, after: &str, limit: i64) -> Result<Vec<Webhook>, Error> {
    Ok(on!(connection, c => webhooks::table
        .filter(webhooks::name.gt(after))
        .order(webhooks::name)
        .limit(limit)
        .select(Webhook::as_select()).load(c))?)
}

/// Those that are told. Until the transaction ends none of them is removed: what is put into the outbox for one would be
/// refused otherwise, and with it the change that is told.
pub(super) async fn enabled(connection: &mut Connection) -> Result<Vec<Webhook>, Error> {
    let enabled = webhooks::table.filter(webhooks::disabled_at.is_null()).order(webhooks::name);
    Ok(match connection {
        Connection::Postgres(object) => {
            surrounded!(&mut **object, c => enabled.select(Webhook::as_select()).for_key_share().load(c))?
        }
        Connection::Sqlite(object) => enabled.select(Webhook::as_select()).load(&mut **object).await?,
    })
}

/// Enabled ones that are pushed to and have something that is due and nobody is at.
pub async fn with_due(connection: &mut Connection, now: DateTime<Utc>) -> Result<Vec<Webhook>, Error> {
    let due = webhook_deliveries::table.filter(webhook_deliveries::webhook_id.eq(webhooks::id)).filter(due!(now));
    Ok(on!(connection, c => webhooks::table
        .filter(webhooks::disabled_at.is_null())
        .filter(webhooks::delivery.eq(Delivery::Push.as_str()))
        .filter(exists(due))
        .order(webhooks::name)
        .select(Webhook::as_select()).load(c))?)
}

/// Writes what may change but for the authorization, which a rotation of the master key may be writing at the same time.
pub async fn update(connection: &mut Connection, webhook: &Webhook) -> Result<(), Error> {
    let change = (
        webhooks::endpoint.eq(webhook.endpoint.clone()),
        webhooks::events.eq(webhook.events.clone()),
        webhooks::disabled_at.eq(Bind(webhook.disabled_at)),
    );
    on!(connection, c => diesel::update(webhooks::table.find(Bind(webhook.id))).set(change).execute(c))?;
    Ok(())
}

pub async fn set_authorization(connection: &mut Connection, id: Uuid, sealed: Option<Vec<u8>>) -> Result<(), Error> {
    let change = webhooks::sealed_authorization.eq(sealed);
    on!(connection, c => diesel::update(webhooks::table.find(Bind(id))).set(change).execute(c))?;
    Ok(())
}

/// Removes it with what was on its way.
pub async fn delete(connection: &mut Connection, id: Uuid) -> Result<(), Error> {
    on!(connection, c => diesel::delete(webhooks::table.find(Bind(id))).execute(c))?;
    Ok(())
}

pub async fn find_by_id(connection: &mut Connection, id: Uuid) -> Result<Option<Webhook>, Error> {
    Ok(on!(connection, c => webhooks::table.find(Bind(id)).select(Webhook::as_select()).get_result(c)).optional()?)
}
