//! How long things took, in buckets: one addition for the bucket and one for the sum, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of buckets in seconds, ascending. A last one without a bound is added.
pub type Bounds = &'static [f64];

/// For what is answered in a fraction of a millisecond (a token that a client takes for itself) up to what waits for a
/// hash or the database.
pub const LATENCIES: Bounds = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

/// What a histogram holds at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// In seconds.
    pub sum: f64,
    pub count: u64,
    /// Upper bound and count of each bucket, not cumulated; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub fn new(bounds: Bounds) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self { bounds, buckets, nanoseconds: AtomicU64::default() }
    }

    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // Five hundred years of it fit.
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The count is that of the buckets read, so the two always agree.
    pub fn read(&self) -> Reading {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.buckets.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        Reading {
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64(),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_is_below_it_and_one_beyond_all_is_kept() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [0, 100, 101, 1000, 5000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let reading = histogram.read();
        assert_eq!(reading.buckets, [(0.1, 2), (1.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((reading.count, reading.sum), (5, 6.201));
    }

    #[test]
    fn the_bounds_ascend() {
        assert!(LATENCIES.is_sorted());
    }
}
