//! Who did what: events that are added and never changed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::on;
use super::schema::audit_events;
use super::{Bind, Connection, Error, Json};

/// A row of `audit_events`. `details` never holds a secret.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct AuditEvent {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub details: Json<serde_json::Value>,
    pub address: Option<String>,
    pub request_id: Option<String>,
}

pub async fn insert(connection: &mut Connection, event: &AuditEvent) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(audit_events::table).values(event.clone()).execute(c))?;
    Ok(())
}

/// The newest events, at most `limit`.
pub async fn newest(connection: &mut Connection, limit: i64) -> Result<Vec<AuditEvent>, Error> {
    Ok(on!(connection, c => audit_events::table
        .order((audit_events::at.desc(), audit_events::id.desc()))
        .limit(limit)
        .select(AuditEvent::as_select()).load(c))?)
}
