//! Revoking the tokens of one signing key, in its caller's transaction.
//!
//! Tokens are not stored, so what a key signed is found by the blocks that their indexes are from. A client's own tokens
//! take them from blocks that belong to the key: those blocks are revoked, no more and no less. A grant keeps its index
//! from key to key and goes on living: the blocks of grants that got a token lately are revoked, and every grant in them
//! is moved to a fresh block in the same transaction. Tokens that are out then carry a revoked index, the next refresh
//! gives one with a clean one, nothing is asked in addition at a refresh, and the cost is a few statements a block,
//! however many grants there are. (A range over everything leased in the key's time would end grants for good; a row a
//! grant would be a million rows in an emergency.)
//!
//! What it cannot tell apart: in a block of grants, tokens that another key signed are revoked as well. Their clients
//! refresh. And a grant's token that another instance signs with the key in the moment before it learns of the
//! revocation has a clean index: only the key set and introspection refuse it.

use chrono::{DateTime, Utc};

use super::allocate::take_for_grants;
use super::revoke::{Moment, joined, range, record};
use crate::entropy::Entropy;
use crate::store::{Connection, Error, Exclusive, grants, status};

/// What was revoked with a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyTokens {
    /// Grants whose access tokens ended; they live on.
    pub grants: usize,
    /// Ranges of indexes that were revoked.
    pub ranges: usize,
}

/// Revokes every access token of `kid` that may be unexpired; those of grants, if issued since `since`. The key has been
/// marked revoked in this transaction, which holds [`Exclusive::Rotation`] and nothing else of what is locked here.
pub async fn revoke_key_tokens(
    connection: &mut Connection,
    entropy: &Entropy,
    (kid, since): (&str, DateTime<Utc>),
    moment: Moment,
) -> Result<KeyTokens, Error> {
    connection.also_exclusively(Exclusive::StatusList).await?;
    // A grant that is being added is either here before the blocks are looked at, or finds its block revoked afterwards.
    grants::hold(connection).await?;
    status::hold(connection).await?;
    let own = joined(status::leases_of_key(connection, kid).await?.iter().map(range).collect());
    let issued = grants::issued_since(connection, since).await?;
    let leased = joined(status::leases_of_grants(connection).await?.iter().map(range).collect());
    let affected = holding(leased, issued);
    let mut moved = 0;
    for (list, first, last) in &affected {
        let id = entropy.ordered_uuid(moment.now);
        let to = take_for_grants(connection, id, (last - first + 1, moment.now)).await?;
        moved += grants::move_block(connection, (*list, *first, *last), (to.list, to.index)).await?;
    }
    let ranges = joined([own, affected].concat());
    record(connection, entropy, &ranges, moment).await?;
    Ok(KeyTokens { grants: moved, ranges: ranges.len() })
}

/// Those of sorted, separate ranges that hold one of the indexes.
fn holding(ranges: Vec<(i64, i64, i64)>, mut indexes: Vec<(i64, i64)>) -> Vec<(i64, i64, i64)> {
    indexes.sort_unstable();
    let holds = |(list, first, last): &(i64, i64, i64)| {
        let next = indexes.partition_point(|index| *index < (*list, *first));
        indexes.get(next).is_some_and(|index| *index <= (*list, *last))
    };
    ranges.into_iter().filter(holds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_affected_when_one_of_its_indexes_is() {
        let blocks = vec![(1, 0, 63), (1, 64, 127), (1, 256, 319), (2, 0, 63)];
        let found = holding(blocks.clone(), vec![(2, 63), (1, 64), (1, 128), (1, 255)]);
        assert_eq!(found, [(1, 64, 127), (2, 0, 63)]);
        assert_eq!(holding(blocks, Vec::new()), []);
    }
}
