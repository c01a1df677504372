//! What came of those who asked for a hash, counted for whoever watches the queue.

use crate::metrics::{Counter, Histogram, LATENCIES};

/// Since the start of the process.
#[derive(Debug)]
pub struct Observed {
    /// How long callers waited for their turn, whether it came or not.
    pub waits: Histogram,
    /// Those that found the queue full.
    pub turned_away: Counter,
    /// Those whose turn did not come in time.
    pub timed_out: Counter,
    /// Those that went before their turn came.
    pub left: Counter,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            waits: Histogram::new(LATENCIES),
            turned_away: Counter::default(),
            timed_out: Counter::default(),
            left: Counter::default(),
        }
    }
}
