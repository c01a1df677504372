//! What came of those who asked for a hash, counted for whoever watches the queue.

use crate::metrics::{Counter, Histogram, LATENCIES, Seldom};

/// Since the start of the process.
#[derive(Debug)]
pub struct Observed {
    /// How long callers waited for their turn, whether it came or not.
    pub waits: Histogram,
    /// Those that found the queue full.
    pub turned_away: Seldom,
    /// Those whose turn did not come in time.
    pub timed_out: Seldom,
    /// Those that went before their turn came.
    pub left: Counter,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            waits: Histogram::new(LATENCIES),
            turned_away: Seldom::default(),
            timed_out: Seldom::default(),
            left: Counter::default(),
        }
    }
}
