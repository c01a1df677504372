//! A counter of what is refused that says so in the log now and then: a flood must not become one of log lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// From one line in the log to the next, in seconds.
const PAUSE: u64 = 10;

#[derive(Debug)]
pub struct Seldom {
    began: Instant,
    count: AtomicU64,
    told: AtomicU64,
    /// When the next line is due, in seconds since the beginning.
    due: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self { began: Instant::now(), count: AtomicU64::new(0), told: AtomicU64::new(0), due: AtomicU64::new(0) }
    }
}

impl Seldom {
    /// Counts one; `tell` is called with how many there were since it was called last, if that is long enough ago.
    pub fn count(&self, tell: impl FnOnce(u64)) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.began.elapsed().as_secs();
        let due = self.due.load(Ordering::Relaxed);
        let is_due = now >= due;
        if is_due && self.due.compare_exchange(due, now + PAUSE, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let told = self.told.swap(count, Ordering::Relaxed);
            tell(count.saturating_sub(told));
        }
    }

    /// Since the start.
    pub fn total(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_whole_and_told_once() {
        let (seldom, mut told) = (Seldom::default(), Vec::new());
        for _ in 0..1000 {
            seldom.count(|count| told.push(count));
        }
        assert_eq!((seldom.total(), told), (1000, vec![1]));
    }
}
