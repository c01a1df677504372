//! Recording revocations, each in its caller's transaction.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::StatusIndex;
use crate::entropy::Entropy;
use crate::store::grants::{self, Grant, Selection};
use crate::store::revisions::{self, Topic};
use crate::store::status::{self, Revocation, StatusLease};
use crate::store::{Connection, Error};

/// When something is revoked, and how long the record of it must last: until no token that carries the index can be
/// unexpired.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: DateTime<Utc>,
    pub retention: Duration,
}

/// Revokes every grant of the selection, and with it every token of each. Answers the grants that were live until now.
pub async fn revoke_grants(
    connection: &mut Connection,
    entropy: &Entropy,
    selection: Selection,
    moment: Moment,
    reason: &str,
) -> Result<Vec<Grant>, Error> {
    let revoked = grants::mark_revoked(connection, selection, moment.now, reason).await?;
    let ranges: Vec<(i64, i64, i64)> =
        revoked.iter().map(|grant| (grant.status_list_id, grant.status_index, grant.status_index)).collect();
    record(connection, entropy, &ranges, moment).await?;
    Ok(revoked)
}

/// Revokes one token that belongs to no grant.
pub async fn revoke_token(
    connection: &mut Connection,
    entropy: &Entropy,
    token: StatusIndex,
    moment: Moment,
) -> Result<(), Error> {
    if status::revoked_at(connection, token.list, token.index).await?.is_some() {
        return Ok(());
    }
    record(connection, entropy, &[(token.list, token.index, token.index)], moment).await
}

/// Revokes every token that a client took for itself: one range a lease.
pub async fn revoke_client_tokens(
    connection: &mut Connection,
    entropy: &Entropy,
    client: Uuid,
    moment: Moment,
) -> Result<(), Error> {
    let leases = status::leases_of(connection, client).await?;
    let ranges: Vec<(i64, i64, i64)> = leases.iter().map(range).collect();
    record(connection, entropy, &ranges, moment).await
}

/// The list, the first and the last index of a block.
pub(super) fn range(lease: &StatusLease) -> (i64, i64, i64) {
    (lease.status_list_id, lease.first_index, lease.first_index + lease.size - 1)
}

pub(super) async fn record(
    connection: &mut Connection,
    entropy: &Entropy,
    ranges: &[(i64, i64, i64)],
    Moment { now, retention }: Moment,
) -> Result<(), Error> {
    if ranges.is_empty() {
        return Ok(());
    }
    let revision = revisions::bump(connection, Topic::Revocations).await?;
    let rows: Vec<Revocation> = ranges
        .iter()
        .map(|(list, first, last)| Revocation {
            id: entropy.ordered_uuid(now),
            status_list_id: *list,
            first_index: *first,
            last_index: *last,
            revoked_at: now,
            expires_at: now + retention,
            revision,
        })
        .collect();
    status::insert_revocations(connection, &rows).await
}
