//! Removing events whose retention has passed: all of one seal, or none. The seal itself stays, so that the chain does.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::entropy::Entropy;
use crate::store::audit_events::{self, Author};
use crate::store::{Connection, Error, audit_seals};

/// In seconds. The day that is being looked into is always there.
pub const SHORTEST_RETENTION: i64 = 86_400;

/// What is recorded of the events of a seal that were removed.
pub const ACTION: &str = "audit.purge";

/// The target of that record.
pub fn target(number: i64) -> String {
    format!("audit_seal:{number}")
}

/// Removes the events of one seal that is older than `retention` seconds, if there is one; answers how many they were. It is
/// an event itself: a later, longer retention does not make this one look like tampering.
pub async fn purge_one(
    connection: &mut Connection,
    entropy: &Entropy,
    (now, retention): (DateTime<Utc>, i64),
) -> Result<Option<usize>, Error> {
    let Some(seal) = audit_seals::first_due(connection, now - Duration::seconds(retention)).await? else {
        return Ok(None);
    };
    audit_seals::set_purged_at(connection, seal.number, now).await?;
    let removed = audit_events::delete_under(connection, seal.number).await?;
    let details =
        json!({ "events": removed, "first_at": seal.first_at, "last_at": seal.last_at, "retention": retention });
    let id = entropy.ordered_uuid(now);
    let event = Author::signet().event((id, now), ACTION, target(seal.number), details);
    audit_events::insert(connection, &event).await?;
    Ok(Some(removed))
}
