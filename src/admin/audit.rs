//! The record of what an administrator did: one event a change, in the transaction that makes it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Admin, Error};
use crate::store::Connection;
use crate::store::audit_events::{self, Author};

impl Admin {
    /// Records `action` (`client.create`) on `target` (`client:erp`). `details` come from views, which hold no secret.
    pub(super) async fn audit(
        &self,
        connection: &mut Connection,
        action: &str,
        target: &str,
        details: Value,
    ) -> Result<(), Error> {
        let at = self.clock.now();
        let event = self.author().event((self.entropy.ordered_uuid(at), at), action, target, details);
        Ok(audit_events::insert(connection, &event).await?)
    }

    /// Whose changes these are.
    pub(super) fn author(&self) -> Author {
        self.origin.author(self.actor.as_str())
    }
}

/// The members of two views of one thing that differ, each with its value before and after. `None` when none does.
pub(super) fn differences(before: &impl Serialize, after: &impl Serialize) -> Option<Value> {
    let (before, after) = (members(before), members(after));
    let differing = after.into_iter().filter_map(|(name, after)| {
        let before = before.get(&name).cloned().unwrap_or_default();
        (before != after).then(|| (name, serde_json::json!({ "before": before, "after": after })))
    });
    let differing: Map<String, Value> = differing.collect();
    (!differing.is_empty()).then_some(Value::Object(differing))
}

/// A switch that was turned, in the same form.
pub(super) fn turned(member: &str, after: bool) -> Value {
    serde_json::json!({ member: { "before": !after, "after": after } })
}

fn members(view: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(view) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn only_what_changed_is_recorded() {
        let before = json!({ "client_id": "erp", "scope": "read", "access_token_lifetime": null });
        let after = json!({ "client_id": "erp", "scope": "read write", "access_token_lifetime": 60 });
        let expected = json!({
            "scope": { "before": "read", "after": "read write" },
            "access_token_lifetime": { "before": null, "after": 60 },
        });
        assert_eq!(differences(&before, &after), Some(expected));
        assert_eq!(differences(&before, &before), None);
    }
}
