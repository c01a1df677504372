//! Latencies in logarithmic buckets: a fixed array, 1.6 % resolution, no allocation while recording.

use std::time::Duration;

/// Bits of a value kept below its leading one; a bucket is 2^-6 of its value wide.
const PRECISION: u32 = 6;
/// Values from 2^36 ns (69 s) on share the last bucket. No request is waited for that long.
const BUCKETS: usize = 31 << PRECISION;

#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u32>,
    total: u32,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    pub fn total(&self) -> u32 {
        self.total
    }

    /// The latency that `share` (0 to 1) of the recorded values do not exceed, rounded up to its bucket's end.
    /// Zero when nothing was recorded.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = share * f64::from(self.total);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen > 0 && f64::from(seen) >= rank {
                return Duration::from_nanos(upper_end(bucket));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let shift = nanos.checked_ilog2().unwrap_or(0).saturating_sub(PRECISION);
    let mantissa = usize::try_from(nanos >> shift).unwrap_or(usize::MAX);
    // The mantissa's own leading one carries into the exponent's place, so that the buckets are contiguous.
    ((shift as usize) << PRECISION) + mantissa
}

fn upper_end(bucket: usize) -> u64 {
    let shift = (bucket >> PRECISION).saturating_sub(1);
    let mantissa = bucket - (shift << PRECISION);
    ((mantissa as u64 + 1) << shift) - 1
}
