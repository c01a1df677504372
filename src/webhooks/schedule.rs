//! When a delivery that failed is tried again.

use chrono::{DateTime, Duration, Utc};

use crate::entropy::Entropy;
use crate::store::webhook_deliveries::{Next, WebhookDelivery};

const SHORTEST: Duration = Duration::seconds(1);
const LONGEST: Duration = Duration::hours(1);

/// After the first failure a second; each time twice as long, up to an hour. Half of it is drawn, so that what failed
/// together does not come together again.
pub fn pause(attempts: i64, entropy: &Entropy) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).map_or(12, |doublings| doublings.min(12));
    let longest = (SHORTEST * 2_i32.pow(doublings)).min(LONGEST);
    let drawn = i64::from(u16::from_be_bytes(entropy.bytes()));
    let half = longest.num_milliseconds() / 2;
    Duration::milliseconds(half + half * drawn / i64::from(u16::MAX)).max(SHORTEST)
}

/// What follows an attempt that failed at `now`.
pub fn next(delivery: &WebhookDelivery, now: DateTime<Utc>, entropy: &Entropy) -> Next {
    let at = now + pause(delivery.attempts, entropy);
    if at > delivery.retry_until { Next::GivenUp(now) } else { Next::At(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_second_to_an_hour_and_half_of_each_is_drawn() {
        let entropy = Entropy::seeded(1);
        for (attempts, longest) in
            [(1, 1), (2, 2), (3, 4), (8, 128), (12, 2048), (13, 3600), (100, 3600), (i64::MAX, 3600)]
        {
            let drawn: Vec<Duration> = (0..200).map(|_| pause(attempts, &entropy)).collect();
            let (least, most) = (Duration::milliseconds(longest * 500).max(SHORTEST), Duration::seconds(longest));
            assert!(drawn.iter().all(|pause| (least..=most).contains(pause)), "{attempts}: {drawn:?}");
            assert!(longest == 1 || drawn.iter().any(|pause| *pause != drawn[0]), "{attempts}");
        }
    }
}
