//! When those who are turned away are to come back: one after the other, as fast as passwords are hashed.
//!
//! Told all the same, they come back together, and all but a few are turned away again, several times a second, by the
//! processors that should hash. So each is given the next time at which a place will be free that nobody was sent to
//! before. It is no reservation: who comes meanwhile may take the place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A right answer for the default parameters on a machine of today, until there are measurements.
const FIRST_GUESS: Duration = Duration::from_millis(16);

/// The longest wait that anybody is told. Who does not wait as told, and comes again and again, moves the others' times
/// away; they shall not have to wait long for it.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Returns {
    /// How long a thread takes for a password, in nanoseconds: a mean in which each counts a sixteenth.
    taken: AtomicU64,
    threads: u32,
    /// Up to when places were given out.
    given: Mutex<Option<Instant>>,
}

impl Returns {
    pub fn new(threads: usize) -> Self {
        let taken = AtomicU64::new(nanoseconds(FIRST_GUESS));
        Self { taken, threads: u32::try_from(threads).unwrap_or(u32::MAX).max(1), given: Mutex::new(None) }
    }

    /// Takes note of how long a thread had one password.
    pub fn took(&self, duration: Duration) {
        // That one of two at the same time is lost does not matter to a mean.
        let mean = self.taken.load(Ordering::Relaxed);
        self.taken.store(mean - mean / 16 + nanoseconds(duration) / 16, Ordering::Relaxed);
    }

    /// How long from `now` the next that is turned away is to wait: at most [`LONGEST`].
    pub fn next(&self, now: Instant) -> Duration {
        let one = Duration::from_nanos(self.taken.load(Ordering::Relaxed)) / self.threads;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let time = given.map_or(now, |given| given.max(now)) + one;
        let wait = (time - now).min(LONGEST);
        *given = Some(now + wait);
        wait
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_is_sent_to_a_time_of_its_own_as_fast_as_the_threads_hash() {
        let (returns, now) = (Returns::new(2), Instant::now());
        let told: Vec<_> = (0..4).map(|_| returns.next(now)).collect();
        assert_eq!(told, [8 * MS, 16 * MS, 24 * MS, 32 * MS]);
        // Ten milliseconds later the places up to the 32nd are still given away; after that time none is.
        assert_eq!(returns.next(now + 10 * MS), 30 * MS);
        assert_eq!(returns.next(now + 100 * MS), 8 * MS);
    }

    #[test]
    fn slower_hashes_are_further_apart() {
        let (returns, now) = (Returns::new(1), Instant::now());
        for _ in 0..500 {
            returns.took(100 * MS);
        }
        let told = returns.next(now);
        assert!((99 * MS..=100 * MS).contains(&told), "{told:?}");
    }

    #[test]
    fn nobody_is_sent_further_away_than_the_longest_and_those_after_them_are_not_either() {
        let (returns, now) = (Returns::new(1), Instant::now());
        for _ in 0..100_000 {
            assert!(returns.next(now) <= LONGEST);
        }
        assert_eq!(returns.next(now), LONGEST);
        // A flood that stops leaves nothing behind it.
        assert_eq!(returns.next(now + LONGEST), 16 * MS);
    }
}
