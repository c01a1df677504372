//! What the audit trail says of requests: who asked, from where, for what. Each event is written in the transaction of what it
//! tells of.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Origin, Provider};
use crate::store::audit_events::AuditEvent;

/// Who did what to whom.
pub(super) struct Deed {
    /// `client:erp`, `user:…`.
    pub actor: String,
    pub action: &'static str,
    pub target: String,
}

impl Provider {
    pub(super) fn event(&self, at: DateTime<Utc>, deed: Deed, details: Value, origin: &Origin) -> AuditEvent {
        let Deed { actor, action, target } = deed;
        origin.author(actor).event((self.entropy.ordered_uuid(at), at), action, target, details)
    }
}
