//! When something that was fetched is to be fetched again: before it is stale, behind the back of those who use it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use crate::UnixTime;

/// After a failure nobody asks again for so long, however many need it.
const RETRY: Duration = Duration::from_secs(5);

/// What to do about something at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Nothing.
    Keep,
    /// Use it, and have it fetched meanwhile.
    Refresh,
    /// Fetch it, and wait for the answer before using it.
    Await,
}

/// The times of one cached document. Those who only use it read two numbers and take no lock.
#[derive(Debug)]
pub(super) struct Freshness {
    fetched_at: AtomicI64,
    refresh_after: AtomicI64,
    stale_after: AtomicI64,
    retry_after: AtomicI64,
    is_failing: AtomicBool,
}

impl Freshness {
    /// Of something that has never been fetched.
    pub(super) fn new() -> Self {
        let never = || AtomicI64::new(i64::MIN);
        Self {
            fetched_at: never(),
            refresh_after: never(),
            stale_after: never(),
            retry_after: never(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// It was fetched and may be used for so long without asking again; it is asked for after four fifths of it.
    pub(super) fn succeeded(&self, at: UnixTime, fresh_for: Duration) {
        self.fetched_at.store(at.as_secs(), Relaxed);
        self.refresh_after.store(at.plus(fresh_for * 4 / 5).as_secs(), Relaxed);
        self.stale_after.store(at.plus(fresh_for).as_secs(), Relaxed);
        self.is_failing.store(false, Relaxed);
    }

    pub(super) fn failed(&self, at: UnixTime) {
        self.retry_after.store(at.plus(RETRY).as_secs(), Relaxed);
        self.is_failing.store(true, Relaxed);
    }

    /// What is at hand is no longer kept up to date by other means: ask at once, without making anybody wait.
    pub(super) fn expedite(&self, now: UnixTime) {
        self.refresh_after.fetch_min(now.as_secs(), Relaxed);
        self.stale_after.fetch_min(now.plus(RETRY).as_secs(), Relaxed);
    }

    pub(super) fn advice(&self, now: UnixTime) -> Advice {
        let seconds = now.as_secs();
        // A clock that was set back tells nothing of the age.
        let is_from_the_future = seconds < self.fetched_at.load(Relaxed);
        if seconds < self.refresh_after.load(Relaxed) && !is_from_the_future {
            return Advice::Keep;
        }
        if self.is_failing.load(Relaxed) {
            let retry_after = self.retry_after.load(Relaxed);
            let waits = (retry_after.saturating_sub_unsigned(RETRY.as_secs())..retry_after).contains(&seconds);
            return if waits { Advice::Keep } else { Advice::Refresh };
        }
        if seconds < self.stale_after.load(Relaxed) { Advice::Refresh } else { Advice::Await }
    }

    /// How long ago it stopped being fresh.
    pub(super) fn staleness(&self, now: UnixTime) -> Duration {
        now.since(UnixTime::from_secs(self.stale_after.load(Relaxed))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn it_is_refreshed_ahead_and_awaited_when_stale() {
        let freshness = Freshness::new();
        assert_eq!(freshness.advice(at(0)), Advice::Await);
        freshness.succeeded(at(1000), Duration::from_secs(100));
        assert_eq!(freshness.advice(at(1079)), Advice::Keep);
        assert_eq!(freshness.advice(at(1080)), Advice::Refresh);
        assert_eq!(freshness.advice(at(1100)), Advice::Await);
        assert_eq!(freshness.staleness(at(1130)), Duration::from_secs(30));
        assert_eq!(freshness.advice(at(999)), Advice::Refresh, "the clock was set back");
    }

    #[test]
    fn after_a_failure_nobody_waits_and_the_next_attempt_comes_later() {
        let freshness = Freshness::new();
        freshness.succeeded(at(1000), Duration::from_secs(100));
        freshness.failed(at(1200));
        assert_eq!(freshness.advice(at(1204)), Advice::Keep);
        assert_eq!(freshness.advice(at(1205)), Advice::Refresh);
        freshness.succeeded(at(1205), Duration::from_secs(100));
        assert_eq!(freshness.advice(at(1206)), Advice::Keep);
    }
}
