//! How fast clients are told to come back later. An answer with `Retry-After` costs little, but a client that does not wait
//! asks again as soon as it has it: a few hundred of them would have both processors answer refusals, and hash no password.
//! So beyond a rate that no honest crowd keeps up, each such answer is held back for a moment, and the client with it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// So many answers a second are given at once where nothing else is wanted, and as many together after a pause: all of a
/// crowd that comes at the same time. It is some hundredths of one processor.
pub const AT_ONCE: NonZeroU32 = NonZeroU32::new(1000).expect("it is not zero");

/// How long one is held back. With the time that making and sending it takes it is to be there within 100 ms.
pub const MOMENT: Duration = Duration::from_millis(75);

pub struct Pace {
    at_once: DefaultDirectRateLimiter,
    most: usize,
    holding: AtomicUsize,
    held: AtomicU64,
}

/// An answer that is held back, until this is dropped.
pub struct Held(Arc<Pace>);

impl Pace {
    /// `at_once` go at once each second. `most` are held at a time: those beyond go at once, too, since each takes memory.
    pub fn new(at_once: NonZeroU32, most: usize) -> Self {
        Self {
            at_once: RateLimiter::direct(Quota::per_second(at_once)),
            most,
            holding: AtomicUsize::new(0),
            held: AtomicU64::new(0),
        }
    }

    /// Those held back since the start.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether the next answer is to be held back, for a [`MOMENT`]: `None` if it may go.
    pub fn hold(self: &Arc<Self>) -> Option<Held> {
        if self.at_once.check().is_ok() {
            return None;
        }
        let before = self.holding.fetch_add(1, Ordering::AcqRel);
        let held = Held(Arc::clone(self));
        if before >= self.most {
            return None;
        }
        self.held.fetch_add(1, Ordering::Relaxed);
        Some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.holding.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses up what may go at once: at most so many calls, though some come back meanwhile.
    fn used_up(pace: &Arc<Pace>) -> Held {
        let held = (0..1_000_000).find_map(|_| pace.hold());
        held.expect("a million in less than 1,000 seconds")
    }

    #[test]
    fn a_crowd_is_answered_at_once_and_who_goes_on_is_held_back() {
        let pace = Arc::new(Pace::new(AT_ONCE, 10));
        for number in 0..AT_ONCE.get() {
            assert!(pace.hold().is_none(), "{number}");
        }
        let _held = used_up(&pace);
        assert_eq!(pace.held(), 1);
    }

    #[test]
    fn no_more_are_held_at_a_time_than_fit() {
        let pace = Arc::new(Pace::new(AT_ONCE, 2));
        let both = [used_up(&pace), used_up(&pace)];
        for _ in 0..100 {
            assert!(pace.hold().is_none());
        }
        assert_eq!(pace.holding.load(Ordering::Relaxed), 2);
        drop(both);
        assert_eq!(pace.holding.load(Ordering::Relaxed), 0);
        let _again = used_up(&pace);
    }
}
