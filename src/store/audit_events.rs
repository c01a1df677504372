//! Who did what: events that are added and never changed, but for the seal that they come under
//! (see [`audit_seals`](super::audit_seals)), and removed with all others of their seal. Pages of them are in
//! `audit_events/pages.rs`. Some events are told to webhooks: those go into the outbox with the event.

pub mod pages;
mod sealed;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::backend::{Prepare as _, on, surrounded};
use super::schema::audit_events;
use super::{Bind, Connection, Error, Json, webhook_deliveries};
pub use sealed::{between_seals, delete_under, mark_sealed, of_seal, unsealed, unsealed_purges, waiting_since};

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
    /// An [`Outcome`] as it is spelled: a text that somebody else wrote there is to be read, too.
    pub outcome: String,
    pub seal: Option<i64>,
}

/// Whether what was tried came about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failure,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("is neither success nor failure")]
pub struct UnknownOutcome;

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        [Self::Success, Self::Failure].into_iter().find(|outcome| outcome.as_str() == text).ok_or(UnknownOutcome)
    }
}

/// Who did something, and by which request.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// `client:erp`, `user:alice`, `cli`, or `signet` for what the program does by itself.
    pub actor: String,
    pub address: Option<String>,
    pub request_id: Option<String>,
}

impl Author {
    /// Somebody who did not ask by HTTP.
    pub fn local(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), address: None, request_id: None }
    }

    /// The program by itself, as time asks for it.
    pub fn signet() -> Self {
        Self::local("signet")
    }

    /// What it did came about: an event that is not under a seal yet.
    pub fn event(
        &self,
        (id, at): (Uuid, DateTime<Utc>),
        action: &str,
        target: impl Into<String>,
        details: serde_json::Value,
    ) -> AuditEvent {
        AuditEvent {
            id,
            at,
            actor: self.actor.clone(),
            action: action.to_owned(),
            target: target.into(),
            details: Json(details),
            address: self.address.clone(),
            request_id: self.request_id.clone(),
            outcome: Outcome::Success.to_string(),
            seal: None,
        }
    }
}

impl AuditEvent {
    /// The same as something that was tried and did not come about.
    pub fn failed(self) -> Self {
        Self { outcome: Outcome::Failure.to_string(), ..self }
    }
}

/// Adds an event, and what is told of it. For the transaction of what it tells of.
pub async fn insert(connection: &mut Connection, event: &AuditEvent) -> Result<(), Error> {
    on!(&mut *connection, c => diesel::insert_into(audit_events::table).values(event.clone()).prepared().execute(c))?;
    webhook_deliveries::enqueue(connection, event).await
}

/// Inserts many, in one statement where that saves round trips. Those that are there already are left as they are: an answer
/// of the database may have been lost.
pub async fn insert_all(connection: &mut Connection, events: &[AuditEvent]) -> Result<(), Error> {
    match connection {
        Connection::Postgres(object) => {
            // A statement takes 65,535 values.
            for batch in events.chunks(1000) {
                let batch = diesel::insert_into(audit_events::table).values(batch.to_vec());
                surrounded!(&mut **object, c => batch.on_conflict_do_nothing().execute(c))?;
            }
        }
        Connection::Sqlite(object) => {
            for event in events {
                let event = diesel::insert_into(audit_events::table).values(event.clone());
                event.on_conflict_do_nothing().execute(&mut **object).await?;
            }
        }
    }
    Ok(())
}

/// The newest events, at most `limit`.
pub async fn newest(connection: &mut Connection, limit: i64) -> Result<Vec<AuditEvent>, Error> {
    Ok(on!(connection, c => audit_events::table
        .order((audit_events::at.desc(), audit_events::id.desc()))
        .limit(limit)
        .select(AuditEvent::as_select()).load(c))?)
}
