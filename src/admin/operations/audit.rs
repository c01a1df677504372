//! The audit trail over HTTP and on the command line.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::admin::audit_trail::{Cursor, EventView, Filter, Page as Place, Verification};
use crate::admin::operation::{Answer, NoQuery, operations};
use crate::admin::page::{self, Page};
use crate::store::audit_events::Outcome;

#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events of this user: what the user did, and what was done to the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Only events of this client, in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Only what this actor did: `cli`, `signet`, `client:ID` or `user:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only this action, or all that begin so when it ends with a dot: `login.failure`, or `login.`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only what came about, or only what did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub outcome: Option<Outcome>,
    /// Only events from this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Only events before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Whether the oldest come first; otherwise the newest do.
    #[param(default = false)]
    pub oldest_first: bool,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

impl Answer for Verification {}

operations! {
    /// Lists audit events, the newest or the oldest first.
    ListAuditEvents = Get "/audit-events" (List, Read) |admin, _: (), query: EventsQuery, _: ()| -> Page<EventView> {
        let cursor: Option<Cursor> = page::after(query.cursor.as_deref())?;
        let EventsQuery { username: user, client_id: client, actor, action, outcome, from, until, .. } = query;
        let filter = Filter { user, client, actor, action, from, until, outcome };
        let oldest_first = query.oldest_first;
        let fetch = async |limit| match cursor {
            after if oldest_first => admin.audit_events_from(&filter, after, limit).await,
            None => admin.audit_events(&filter, Place::Newest, limit).await,
            Some(cursor) => admin.audit_events(&filter, Place::Before(cursor), limit).await,
        };
        admin.page(query.limit, fetch, EventView::cursor).await
    }

    /// Verifies that no event was altered, removed or added since it was sealed. Takes as long as reading all of them.
    VerifyAuditTrail = Get "/audit-trail" (Act, Read) |admin, _: (), _: NoQuery, _: ()| -> Verification {
        admin.verify_audit_trail().await
    }
}
