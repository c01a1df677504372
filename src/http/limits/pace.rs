//! How fast clients are told to come back later. An answer with `Retry-After` costs little, but a client that does not wait
//! asks again as soon as it has it: a few hundred of them would have both processors answer refusals, and hash no password.
//! So beyond a rate that no honest crowd keeps up, each such answer is held back for a moment, and the client with it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many answers a second are given at once where nothing else is wanted, and as many together after a pause: all of a
/// crowd that comes at the same time. It is some hundredths of one processor.
pub const AT_ONCE: NonZeroU32 = NonZeroU32::new(1000).expect("it is not zero");

/// How long one is held back. With the time that making and sending it takes it is to be there within 100 ms.
pub const MOMENT: Duration = Duration::from_millis(75);

pub struct Pace {
    at_once: DefaultDirectRateLimiter,
    /// A permit for each answer that may be held besides.
    room: Arc<Semaphore>,
    held: AtomicU64,
}

impl Pace {
    /// `at_once` go at once each second. `most` are held at a time: those beyond go at once, too, since each takes memory.
    pub fn new(at_once: NonZeroU32, most: usize) -> Self {
        let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { at_once: RateLimiter::direct(Quota::per_second(at_once)), room, held: AtomicU64::new(0) }
    }

    /// Those held back since the start.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether the next answer is to be held back, for a [`MOMENT`] and with what this gives: `None` if it may go.
    pub fn hold(&self) -> Option<OwnedSemaphorePermit> {
        if self.at_once.check().is_ok() {
            return None;
        }
        let held = Arc::clone(&self.room).try_acquire_owned().ok()?;
        self.held.fetch_add(1, Ordering::Relaxed);
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses up what may go at once: at most so many calls, though some come back meanwhile.
    fn used_up(pace: &Pace) -> OwnedSemaphorePermit {
        let held = (0..1_000_000).find_map(|_| pace.hold());
        held.expect("a million in less than 1,000 seconds")
    }

    #[test]
    fn a_crowd_is_answered_at_once_and_who_goes_on_is_held_back() {
        let pace = Pace::new(AT_ONCE, 10);
        for number in 0..AT_ONCE.get() {
            assert!(pace.hold().is_none(), "{number}");
        }
        let _held = used_up(&pace);
        assert_eq!(pace.held(), 1);
    }

    #[test]
    fn no_more_are_held_at_a_time_than_fit() {
        let pace = Pace::new(AT_ONCE, 2);
        let both = [used_up(&pace), used_up(&pace)];
        for _ in 0..100 {
            assert!(pace.hold().is_none());
        }
        assert_eq!(pace.room.available_permits(), 0);
        drop(both);
        assert_eq!(pace.room.available_permits(), 2);
        let _again = used_up(&pace);
    }
}
