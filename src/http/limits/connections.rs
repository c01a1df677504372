//! Who is connected: how many in all and from each address, and who has to go when there are too many.
//!
//! Counted here and not by actix, whose bound is each worker's own: connections are dealt out by turns, so one worker would
//! stop taking any while others have room, and none would know of an address.
//!
//! A new connection that finds every place taken gets that of the one that has been quiet for longest among those looked
//! at, provided nothing is being done for it: whoever dribbles a request, keeps a connection open for later or does not
//! take its answer. So slow clients push out each other, and an honest one still gets in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::task::AtomicWaker;

use super::block::Block;
use crate::metrics::Seldom;

/// So many are looked at for one that may go: enough to find a quiet one, and no more than a moment under the lock.
const LOOKED_AT: usize = 64;

/// The connections of one listener.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    /// `None` for as many as there are places.
    most_of_an_address: Option<usize>,
    began: Instant,
    table: Mutex<Table>,
    pub refused: Seldom,
    pub evicted: Seldom,
}

#[derive(Debug, Default)]
struct Table {
    seats: Vec<Arc<Seat>>,
    by_address: HashMap<Block, usize>,
    /// Where the next look for one that may go begins.
    hand: usize,
}

/// What is known of one connection.
#[derive(Debug)]
pub struct Seat {
    /// Whose share it counts against.
    block: Option<Block>,
    /// Where it is in the table; only ever read and written under its lock.
    place: AtomicUsize,
    /// What is being done for it: requests that arrived whole, and streams of events.
    in_service: AtomicUsize,
    /// Since when nothing was written to it, in milliseconds since the beginning.
    quiet_since: AtomicU64,
    is_evicted: AtomicBool,
    waker: AtomicWaker,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Taken {
    seat: Arc<Seat>,
    connections: Arc<Connections>,
}

/// Something is done for a connection, which must not be closed meanwhile.
#[derive(Debug)]
pub struct InService(Arc<Seat>);

impl Connections {
    /// `most_of_an_address` 0 is no bound.
    pub fn new(most: usize, most_of_an_address: usize) -> Self {
        Self {
            most,
            most_of_an_address: (most_of_an_address > 0).then_some(most_of_an_address),
            began: Instant::now(),
            table: Mutex::default(),
            refused: Seldom::default(),
            evicted: Seldom::default(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().seats.len()
    }

    /// A place for whoever comes from there; a proxy that is trusted has no share. `None`: it must be closed at once.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>, is_proxy: bool) -> Option<Taken> {
        let block = (!is_proxy && self.most_of_an_address.is_some()).then(|| Block::of(address));
        let now = self.now();
        let mut guard = self.lock();
        let table = &mut *guard;
        let taken = block.and_then(|block| table.by_address.get(&block).copied()).unwrap_or(0);
        if block.is_some() && self.most_of_an_address.is_some_and(|most| taken >= most) {
            drop(guard);
            self.refused.count(|count| tracing::warn!(count, "connections closed: their address has its share"));
            return None;
        }
        if table.seats.len() >= self.most {
            let Some(victim) = table.quietest() else {
                drop(guard);
                self.refused.count(|count| tracing::warn!(count, "connections closed: every place is taken and busy"));
                return None;
            };
            table.remove(&victim);
            victim.is_evicted.store(true, Ordering::Release);
            victim.waker.wake();
            self.evicted.count(|count| {
                tracing::warn!(count, most = self.most, "quiet connections closed for new ones: every place is taken");
            });
        }
        let seat = Arc::new(Seat {
            block,
            place: AtomicUsize::new(table.seats.len()),
            in_service: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(now),
            is_evicted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        table.seats.push(seat.clone());
        if let Some(block) = block {
            *table.by_address.entry(block).or_default() += 1;
        }
        Some(Taken { seat, connections: self.clone() })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The one that was quiet for longest among the next few, if nothing is done for it.
    fn quietest(&mut self) -> Option<Arc<Seat>> {
        let count = self.seats.len();
        let looked_at = (0..count.min(LOOKED_AT)).filter_map(|step| self.seats.get((self.hand + step) % count));
        let free = looked_at.filter(|seat| seat.in_service.load(Ordering::Acquire) == 0);
        let quietest = free.min_by_key(|seat| seat.quiet_since.load(Ordering::Relaxed)).cloned();
        self.hand = (self.hand + LOOKED_AT) % count.max(1);
        quietest
    }

    /// Nothing where it was removed already.
    fn remove(&mut self, seat: &Arc<Seat>) {
        let place = seat.place.load(Ordering::Relaxed);
        if !self.seats.get(place).is_some_and(|found| Arc::ptr_eq(found, seat)) {
            return;
        }
        self.seats.swap_remove(place);
        if let Some(moved) = self.seats.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
        if let Some(block) = seat.block
            && let Some(count) = self.by_address.get_mut(&block)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&block);
            }
        }
    }
}

impl Seat {
    /// Until what this gives is dropped, the connection is not closed for another.
    pub fn serve(self: &Arc<Self>) -> InService {
        self.in_service.fetch_add(1, Ordering::AcqRel);
        InService(self.clone())
    }

    /// Ready when the connection has to go.
    pub fn poll_evicted(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.is_evicted.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.in_service.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Taken {
    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Something was written.
    pub fn is_heard(&self) {
        self.seat.quiet_since.store(self.connections.now(), Ordering::Relaxed);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.seat);
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
