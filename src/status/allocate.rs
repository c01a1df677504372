//! Handing out status-list indexes without a write for each token.
//!
//! An instance leases a block of consecutive indexes in one write and hands them out from memory: one block for grants,
//! and one for each client that takes tokens for itself and each key that signs them, so that "all tokens of this client"
//! and "all tokens of this key" are a few ranges. Blocks grow with demand. An instance that dies wastes at most the rest
//! of its open blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::protocol::jwk::Algorithm;
use crate::store::status::{self, StatusLease};
use crate::store::{Connection, Error, Exclusive, Store, signing_keys};

/// Entries in one list.
const LIST_SIZE: i64 = 1 << 20;

const SMALLEST_LEASE: i64 = 64;
const LARGEST_LEASE: i64 = 65_536;

/// A block that lasts less than this is followed by one four times the size; one that lasts ten times as long, by one a
/// quarter of it.
const BUSY: Duration = Duration::seconds(60);

/// How long indexes are handed out from a block. Nothing has to be written for a block to be closed, nor by an instance
/// that died: all know when the last token that carries one of its indexes was issued.
pub const LEASE_LIFETIME: Duration = Duration::hours(6);

/// One bit of one list.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StatusIndex {
    pub list: i64,
    pub index: i64,
}

/// What an index is for.
#[derive(Clone, Copy, Debug)]
pub enum Taker<'a> {
    /// A grant: every token of it carries the same index, whichever key signs it.
    Grant,
    /// One token that a client takes for itself, which the key `kid` will sign.
    Client { client: Uuid, algorithm: Algorithm, kid: &'a str },
}

/// Of a client and the algorithm of its tokens, or of grants.
type SlotKey = Option<(Uuid, Algorithm)>;

impl<'a> Taker<'a> {
    /// A taker has one open block; that of a former key is not gone back to.
    fn slot(self) -> SlotKey {
        match self {
            Self::Grant => None,
            Self::Client { client, algorithm, .. } => Some((client, algorithm)),
        }
    }

    fn kid(self) -> Option<&'a str> {
        match self {
            Self::Grant => None,
            Self::Client { kid, .. } => Some(kid),
        }
    }
}

/// The blocks of one taker.
#[derive(Default)]
struct Slot {
    /// Held for an instant. A lock that requests queue for would go to the next of them while it has no processor yet, and keep
    /// the other threads waiting for as long as this one signs.
    open: Mutex<Option<Lease>>,
    /// Held while a new block is leased: requests of the same taker wait for it instead of each leasing one.
    leasing: tokio::sync::Mutex<()>,
}

/// The open leases of this instance.
pub struct Allocator {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    slots: Mutex<HashMap<SlotKey, Arc<Slot>>>,
}

/// A block and how far it is used. Its indexes are handed out in a scattered order: neighbours in time are then not
/// neighbours in the list, which anyone may read.
struct Lease {
    kid: Option<String>,
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
    fn next(&mut self, now: DateTime<Utc>) -> Option<StatusIndex> {
        if self.used == self.size || now >= self.leased_at + LEASE_LIFETIME {
            return None;
        }
        let place = (self.offset + self.used * self.stride) % self.size;
        self.used += 1;
        Some(StatusIndex { list: self.list, index: self.first + place })
    }

    fn contains(&self, StatusIndex { list, index }: StatusIndex) -> bool {
        self.list == list && (self.first..self.first + self.size).contains(&index)
    }
}

impl Slot {
    fn open(&self) -> MutexGuard<'_, Option<Lease>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next index of the open block, if it is for this key and has one left.
    fn next(&self, kid: Option<&str>, now: DateTime<Utc>) -> Option<StatusIndex> {
        self.open().as_mut().filter(|lease| lease.kid.as_deref() == kid)?.next(now)
    }
}

impl Allocator {
    pub fn new(store: Store, clock: Clock, entropy: Entropy) -> Self {
        Self { store, clock, entropy, slots: Mutex::default() }
    }

    /// An index that no other token has, or no other grant. Only when a block is used up, or its key no longer signs, does
    /// this write.
    ///
    /// # Errors
    /// [`Error::Unavailable`] also where the key of a new block was revoked, and this instance does not know it yet.
    pub async fn next(&self, taker: Taker<'_>) -> Result<StatusIndex, Error> {
        let slot = self.slot(taker);
        if let Some(index) = slot.next(taker.kid(), self.clock.now()) {
            return Ok(index);
        }
        let _leasing = slot.leasing.lock().await;
        let now = self.clock.now();
        // Whoever had the lock before may have leased it.
        if let Some(index) = slot.next(taker.kid(), now) {
            return Ok(index);
        }
        let size = slot.open().as_ref().map_or(SMALLEST_LEASE, |last| next_size(last, now));
        let mut new = self.lease(taker, size).await?;
        let index = new.next(new.leased_at).ok_or_else(|| Error::Failed("an empty status lease".to_owned()));
        *slot.open() = Some(new);
        index
    }

    /// Lets go of the block that `index` is from: it was revoked as a whole.
    pub fn discard(&self, taker: Taker<'_>, index: StatusIndex) {
        self.slot(taker).open().take_if(|lease| lease.contains(index));
    }

    fn slot(&self, taker: Taker<'_>) -> Arc<Slot> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(taker.slot()).or_default().clone()
    }

    async fn lease(&self, taker: Taker<'_>, size: i64) -> Result<Lease, Error> {
        let now = self.clock.now();
        let mut wanted = StatusLease {
            id: self.entropy.ordered_uuid(now),
            status_list_id: 0,
            client_id: taker.slot().map(|(client, _)| client),
            first_index: 0,
            size,
            leased_at: now,
            kid: taker.kid().map(str::to_owned),
        };
        let taken =
            self.store.transaction(async |connection: &mut Connection| take(connection, &mut wanted).await).await?;
        if !taken {
            let opened = async |connection: &mut Connection| {
                // Another instance may have opened a list while this one waited.
                if take(connection, &mut wanted).await? {
                    return Ok(());
                }
                status::open_list(connection, LIST_SIZE, now).await?;
                if take(connection, &mut wanted).await? { Ok(()) } else { Err(no_room()) }
            };
            self.store.exclusively(Exclusive::StatusList, opened).await?;
        }
        let random = |below: i64| i64::from(u32::from_le_bytes(self.entropy.bytes())) % below;
        let StatusLease { kid, status_list_id: list, first_index: first, .. } = wanted;
        let (offset, stride) = (random(size), random(size / 2) * 2 + 1);
        Ok(Lease { kid, list, first, size, used: 0, offset, stride, leased_at: now })
    }
}

/// How large the block is that follows `last`.
fn next_size(last: &Lease, now: DateTime<Utc>) -> i64 {
    let lasted = now - last.leased_at;
    if lasted > BUSY * 10 {
        (last.size / 4).max(SMALLEST_LEASE)
    } else if lasted < BUSY && last.used == last.size {
        (last.size * 4).min(LARGEST_LEASE)
    } else {
        last.size
    }
}

/// Takes the next block of the newest list for `wanted`, and says in it which. False when there is no room.
async fn take(connection: &mut Connection, wanted: &mut StatusLease) -> Result<bool, Error> {
    let Some((list, first)) = status::take(connection, wanted.size).await? else { return Ok(false) };
    // Asked after the list's row is ours: a revocation holds that row until it is committed.
    if let Some(kid) = &wanted.kid
        && signing_keys::is_revoked(connection, kid).await?
    {
        return Err(Error::Unavailable(format!("signing key {kid} was revoked a moment ago")));
    }
    (wanted.status_list_id, wanted.first_index) = (list, first);
    status::insert_lease(connection, wanted).await?;
    Ok(true)
}

/// A block for grants, for a caller that holds [`Exclusive::StatusList`] and every list.
pub(super) async fn take_for_grants(
    connection: &mut Connection,
    id: Uuid,
    (size, now): (i64, DateTime<Utc>),
) -> Result<StatusIndex, Error> {
    let mut wanted =
        StatusLease { id, status_list_id: 0, client_id: None, first_index: 0, size, leased_at: now, kid: None };
    if !take(connection, &mut wanted).await? {
        status::open_list(connection, LIST_SIZE, now).await?;
        if !take(connection, &mut wanted).await? {
            return Err(no_room());
        }
    }
    Ok(StatusIndex { list: wanted.status_list_id, index: wanted.first_index })
}

fn no_room() -> Error {
    Error::Failed("a new status list has no room".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_lease_hands_out_each_index_of_its_block_once() {
        for (offset, stride) in [(0, 1), (17, 63), (63, 33)] {
            let leased_at = DateTime::<Utc>::MIN_UTC;
            let mut lease = Lease { kid: None, list: 1, first: 640, size: 64, used: 0, offset, stride, leased_at };
            let handed_out: HashSet<i64> =
                std::iter::from_fn(|| lease.next(leased_at)).map(|status| status.index).collect();
            assert_eq!(handed_out, (640..704).collect());
        }
    }
}
