//! Handing out status-list indexes without a write for each token.
//!
//! An instance leases a block of consecutive indexes in one write and hands them out from memory: one block for grants,
//! and one for each client that takes tokens for itself, so that "all tokens of this client" are a few ranges. Blocks
//! grow with demand. An instance that dies wastes at most the rest of its open blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::store::status::{self, StatusLease};
use crate::store::{Connection, Error, Exclusive, Store};

/// Entries in one list.
const LIST_SIZE: i64 = 1 << 20;

const SMALLEST_LEASE: i64 = 64;
const LARGEST_LEASE: i64 = 65_536;

/// A block that lasts less than this is followed by one four times the size; one that lasts ten times as long, by one a
/// quarter of it.
const BUSY: Duration = Duration::seconds(60);

/// One bit of one list.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StatusIndex {
    pub list: i64,
    pub index: i64,
}

/// The open lease of one taker, which requests wait for in turn.
type Slot = Arc<tokio::sync::Mutex<Option<Lease>>>;

/// The open leases of this instance.
pub struct Allocator {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    open: Mutex<HashMap<Option<Uuid>, Slot>>,
}

/// A block and how far it is used. Its indexes are handed out in a scattered order: neighbours in time are then not
/// neighbours in the list, which anyone may read.
struct Lease {
    list: i64,
    first: i64,
    size: i64,
    used: i64,
    offset: i64,
    /// Odd, so that multiplying by it permutes a block whose size is a power of two.
    stride: i64,
    leased_at: DateTime<Utc>,
}

impl Lease {
    fn next(&mut self) -> Option<StatusIndex> {
        if self.used == self.size {
            return None;
        }
        let place = (self.offset + self.used * self.stride) % self.size;
        self.used += 1;
        Some(StatusIndex { list: self.list, index: self.first + place })
    }
}

impl Allocator {
    pub fn new(store: Store, clock: Clock, entropy: Entropy) -> Self {
        Self { store, clock, entropy, open: Mutex::default() }
    }

    /// An index that no other token has: for a grant (`client` is `None`), or for a token of `client` itself. Only when
    /// a block is used up does this write.
    pub async fn next(&self, client: Option<Uuid>) -> Result<StatusIndex, Error> {
        let slot = self.open.lock().unwrap_or_else(PoisonError::into_inner).entry(client).or_default().clone();
        // Held while a new block is leased: requests of the same client wait for it instead of each leasing one.
        let mut lease = slot.lock().await;
        if let Some(index) = lease.as_mut().and_then(Lease::next) {
            return Ok(index);
        }
        let size = lease.as_ref().map_or(SMALLEST_LEASE, |used_up| self.next_size(used_up));
        *lease = Some(self.lease(client, size).await?);
        lease.as_mut().and_then(Lease::next).ok_or_else(|| Error::Failed("an empty status lease".to_owned()))
    }

    fn next_size(&self, used_up: &Lease) -> i64 {
        let lasted = self.clock.now() - used_up.leased_at;
        if lasted < BUSY {
            (used_up.size * 4).min(LARGEST_LEASE)
        } else if lasted > BUSY * 10 {
            (used_up.size / 4).max(SMALLEST_LEASE)
        } else {
            used_up.size
        }
    }

    async fn lease(&self, client: Option<Uuid>, size: i64) -> Result<Lease, Error> {
        let now = self.clock.now();
        let id = self.entropy.ordered_uuid(now);
        let taken = self
            .store
            .transaction(async |connection: &mut Connection| take(connection, id, client, (size, now)).await)
            .await?;
        let (list, first) = match taken {
            Some(taken) => taken,
            None => {
                let opened = async |connection: &mut Connection| {
                    // Another instance may have opened a list while this one waited.
                    if let Some(taken) = take(connection, id, client, (size, now)).await? {
                        return Ok(taken);
                    }
                    status::open_list(connection, LIST_SIZE, now).await?;
                    let taken = take(connection, id, client, (size, now)).await?;
                    taken.ok_or_else(|| Error::Failed("a new status list has no room".to_owned()))
                };
                self.store.exclusively(Exclusive::StatusList, opened).await?
            }
        };
        let random = |below: i64| i64::from(u32::from_le_bytes(self.entropy.bytes())) % below;
        Ok(Lease { list, first, size, used: 0, offset: random(size), stride: random(size / 2) * 2 + 1, leased_at: now })
    }
}

async fn take(
    connection: &mut Connection,
    id: Uuid,
    client_id: Option<Uuid>,
    (size, leased_at): (i64, DateTime<Utc>),
) -> Result<Option<(i64, i64)>, Error> {
    let Some((status_list_id, first_index)) = status::take(connection, size).await? else { return Ok(None) };
    status::insert_lease(connection, &StatusLease { id, status_list_id, client_id, first_index, size, leased_at })
        .await?;
    Ok(Some((status_list_id, first_index)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_lease_hands_out_each_index_of_its_block_once() {
        for (offset, stride) in [(0, 1), (17, 63), (63, 33)] {
            let mut lease =
                Lease { list: 1, first: 640, size: 64, used: 0, offset, stride, leased_at: DateTime::<Utc>::MIN_UTC };
            let handed_out: HashSet<i64> = std::iter::from_fn(|| lease.next()).map(|status| status.index).collect();
            assert_eq!(handed_out, (640..704).collect());
        }
    }
}
