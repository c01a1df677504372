//! How many requests an address may make in a time, by the generic cell rate algorithm of the governor crate.
//!
//! This protects the server from load. What is counted is this instance's own and goes with it; that guesses are few is
//! kept by `login_throttles` in the database.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::block::Block;
use crate::config::Rate;
use crate::metrics::Seldom;

/// So many addresses are remembered at most, about 100 bytes each. Those that come beyond are not limited: all of them
/// together are, by what is in flight.
const MOST_ADDRESSES: usize = 100_000;

/// How many requests come between two counts of the addresses: counting locks every part of their table. So many more may be
/// remembered.
const BETWEEN_COUNTS: u32 = 256;

/// From one removal of addresses that have all of their burst again to the next, in milliseconds.
const TIDYING: u64 = 10_000;
/// The same when there are too many.
const HASTY_TIDYING: u64 = 1000;

pub struct Rates {
    limiter: DefaultKeyedRateLimiter<Block>,
    clock: DefaultClock,
    most: usize,
    began: Instant,
    tidied: AtomicU64,
    since_count: AtomicU32,
    full: AtomicBool,
    pub refused: Seldom,
}

impl Rates {
    /// `None` where none is wanted.
    pub fn new(rate: Rate) -> Option<Self> {
        let (per_second, burst) = rate.per_second_and_burst()?;
        Some(Self::remembering(per_second, burst, MOST_ADDRESSES))
    }

    fn remembering(per_second: NonZeroU32, burst: NonZeroU32, most: usize) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)),
            clock: DefaultClock::default(),
            most,
            began: Instant::now(),
            tidied: AtomicU64::new(0),
            since_count: AtomicU32::new(0),
            full: AtomicBool::new(false),
            refused: Seldom::default(),
        }
    }

    /// Takes one from what `block` may do now.
    ///
    /// # Errors
    /// How long to wait where there is nothing left.
    pub fn take(&self, block: Block) -> Result<(), Duration> {
        if !self.has_room() {
            return Ok(());
        }
        self.limiter.check_key(&block).map_err(|refusal| {
            self.refused.count(|count| tracing::warn!(count, "requests refused: too many from one address"));
            refusal.wait_time_from(self.clock.now())
        })
    }

    /// Whether another address can be remembered; forgets those that nothing needs to be known of.
    fn has_room(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let tidied = self.tidied.load(Ordering::Relaxed);
        let full = self.full.load(Ordering::Relaxed);
        let pause = now.saturating_sub(tidied);
        let is_due = pause >= TIDYING || (pause >= HASTY_TIDYING && full);
        let tidies = is_due && self.tidied.compare_exchange(tidied, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if tidies {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let counts = self.since_count.fetch_add(1, Ordering::Relaxed).is_multiple_of(BETWEEN_COUNTS);
        if !tidies && !counts {
            return !full;
        }
        let full = self.limiter.len() >= self.most;
        self.full.store(full, Ordering::Relaxed);
        !full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn an_address_has_its_burst_and_then_waits_while_others_go_on() {
        // What comes back while the burst is used up is less than 1,000: one a second.
        let rates = Rates::remembering(number(1), number(3000), 10);
        let mut passed = 0;
        let wait = loop {
            match rates.take(Block::Ipv4(1)) {
                Ok(()) => passed += 1,
                Err(wait) => break wait,
            }
        };
        assert!((3000..4000).contains(&passed), "{passed}");
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        assert!(rates.take(Block::Ipv4(2)).is_ok() && rates.take(Block::Ipv6(1)).is_ok());
        assert_eq!(rates.refused.total(), 1);
    }

    #[test]
    fn of_very_many_addresses_no_more_are_remembered_than_fit() {
        let rates = Rates::remembering(number(1), number(2), 100);
        for address in 0..10_000 {
            assert!(rates.take(Block::Ipv4(address)).is_ok());
        }
        let most = 100 + BETWEEN_COUNTS as usize;
        assert!(rates.limiter.len() <= most, "{}", rates.limiter.len());
    }

    #[test]
    fn an_address_that_has_its_burst_again_is_forgotten() {
        let rates = Rates::remembering(number(1_000_000), number(2), 100);
        for address in 0..100 {
            assert!(rates.take(Block::Ipv4(address)).is_ok());
        }
        let began = Instant::now();
        while rates.limiter.len() >= 100 {
            assert!(began.elapsed() < Duration::from_secs(30), "they are kept");
            let _ = rates.take(Block::Ipv4(7));
            std::thread::yield_now();
        }
    }
}
