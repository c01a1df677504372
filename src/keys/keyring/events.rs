//! What the audit trail says of keys that are made, activated and removed, by whomever: in the transaction of the change.

use serde_json::json;

use super::{Keys, Staged};
use crate::store::audit_events::{self, Author};
use crate::store::{Connection, Error};

impl Keys {
    /// A key was made, or one that waited was activated.
    pub(super) async fn record(
        &self,
        connection: &mut Connection,
        author: &Author,
        staged: &Staged,
    ) -> Result<(), Error> {
        let action = if staged.new { "signing_key.create" } else { "signing_key.activate" };
        let details = json!({ "alg": staged.algorithm, "active_at": staged.active_at });
        self.insert_event(connection, author, (action, &staged.kid), details).await
    }

    /// A key was removed whose last token had expired.
    pub(super) async fn record_removal(&self, connection: &mut Connection, kid: &str) -> Result<(), Error> {
        self.insert_event(connection, &Author::signet(), ("signing_key.remove", kid), json!({})).await
    }

    async fn insert_event(
        &self,
        connection: &mut Connection,
        author: &Author,
        (action, kid): (&str, &str),
        details: serde_json::Value,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let event = author.event((self.entropy.ordered_uuid(now), now), action, format!("signing_key:{kid}"), details);
        audit_events::insert(connection, &event).await
    }
}
