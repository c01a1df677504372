//! Recording revocations, each in its caller's transaction.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::{LEASE_LIFETIME, StatusIndex};
use crate::entropy::Entropy;
use crate::store::grants::{self, Selection};
use crate::store::revisions::{self, Topic};
use crate::store::status::{self, Revocation, StatusLease};
use crate::store::{Connection, Error, Window};

/// When something is revoked, and how long the record of it must last: until no token that carries the index can be
/// unexpired.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: DateTime<Utc>,
    pub retention: Duration,
}

/// Revokes every grant of the selection, and with it every token of each. Answers how many were not revoked until now.
pub async fn revoke_grants(
    connection: &mut Connection,
    entropy: &Entropy,
    selection: Selection,
    moment: Moment,
    reason: &str,
) -> Result<usize, Error> {
    let revoked = grants::mark_revoked(connection, selection, moment.now, reason).await?;
    record(connection, entropy, &places(&revoked), moment).await?;
    Ok(revoked.len())
}

/// Records that grants were evicted by a login, which has marked them: their identifiers and bits.
pub async fn record_evicted(
    connection: &mut Connection,
    entropy: &Entropy,
    evicted: &[(Uuid, i64, i64)],
    moment: Moment,
) -> Result<(), Error> {
    let bits: Vec<(i64, i64)> = evicted.iter().map(|(_, list, index)| (*list, *index)).collect();
    record(connection, entropy, &places(&bits), moment).await
}

/// The indexes of grants, as ranges.
fn places(grants: &[(i64, i64)]) -> Vec<(i64, i64, i64)> {
    joined(grants.iter().map(|(list, index)| (*list, *index, *index)).collect())
}

/// Revokes one token that belongs to no grant. Answers whether it was not revoked until now.
pub async fn revoke_token(
    connection: &mut Connection,
    entropy: &Entropy,
    token: StatusIndex,
    moment: Moment,
) -> Result<bool, Error> {
    if status::revoked_at(connection, token.list, token.index).await?.is_some() {
        return Ok(false);
    }
    record(connection, entropy, &[(token.list, token.index, token.index)], moment).await?;
    Ok(true)
}

/// Revokes what a client, or every client, took for itself between two times: whole blocks, for which index was handed out
/// when is written down nowhere. So tokens of the same clients from up to [`LEASE_LIFETIME`] before and after are revoked
/// with them. Answers the indexes in those blocks.
pub async fn revoke_client_tokens(
    connection: &mut Connection,
    entropy: &Entropy,
    (client, issued): (Option<Uuid>, Option<Window>),
    moment: Moment,
) -> Result<i64, Error> {
    let leased = issued.map(|(from, until)| (from - LEASE_LIFETIME, until));
    let leases = status::leases_of_clients(connection, client, leased).await?;
    record(connection, entropy, &joined(leases.iter().map(range).collect()), moment).await?;
    Ok(leases.iter().map(|lease| lease.size).sum())
}

/// The list, the first and the last index of a block.
pub(super) fn range(lease: &StatusLease) -> (i64, i64, i64) {
    (lease.status_list_id, lease.first_index, lease.first_index + lease.size - 1)
}

/// Ranges that follow each other in one list as one.
pub(super) fn joined(mut ranges: Vec<(i64, i64, i64)>) -> Vec<(i64, i64, i64)> {
    ranges.sort_unstable();
    ranges.dedup_by(|(list, first, last), (earlier_list, _, earlier_last)| {
        let follows = list == earlier_list && *first <= *earlier_last + 1;
        if follows {
            *earlier_last = (*earlier_last).max(*last);
        }
        follows
    });
    ranges
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_follow_each_other_are_one_range() {
        let blocks = vec![(1, 64, 127), (2, 0, 63), (1, 0, 63), (1, 256, 319), (2, 64, 319), (1, 300, 310)];
        assert_eq!(joined(blocks), [(1, 0, 127), (1, 256, 319), (2, 0, 319)]);
    }
}
