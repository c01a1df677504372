//! Points in time as JWTs have them (RFC 7519 §2, NumericDate). This crate's core reads no clock: `now` is handed in.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// From seconds since 1970.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn as_secs(self) -> i64 {
        self.0
    }

    /// Never overflows: the result is at most the last time there is.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }

    /// The time that has passed since `earlier`; `None` where that lies in the future, as after a clock was set back.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.saturating_sub(earlier.0)).ok().map(Duration::from_secs)
    }
}

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
        })
    }
}

/// A NumericDate, which may have a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NumericDate {
    floor: i64,
    has_fraction: bool,
}

/// Beyond it a double no longer tells one second from the next (and dates have no meaning).
const LIMIT: i64 = 1 << 53;

impl NumericDate {
    /// Rounded towards the past: what an expiry counts as.
    pub(crate) fn floor(self) -> UnixTime {
        UnixTime(self.floor)
    }

    /// Rounded towards the future: what a beginning counts as.
    pub(crate) fn ceil(self) -> UnixTime {
        UnixTime(self.floor + i64::from(self.has_fraction))
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(NumericDateVisitor)
    }
}

struct NumericDateVisitor;

impl Visitor<'_> for NumericDateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds since 1970")
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<NumericDate, E> {
        if !(-LIMIT..=LIMIT).contains(&seconds) {
            return Err(E::custom("a date out of range"));
        }
        Ok(NumericDate { floor: seconds, has_fraction: false })
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<NumericDate, E> {
        self.visit_i64(i64::try_from(seconds).map_err(|_| E::custom("a date out of range"))?)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked before")]
    fn visit_f64<E: Error>(self, seconds: f64) -> Result<NumericDate, E> {
        let limit = LIMIT as f64;
        if !(-limit..=limit).contains(&seconds) {
            return Err(E::custom("a date out of range"));
        }
        Ok(NumericDate { floor: seconds.floor() as i64, has_fraction: seconds.fract() != 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Option<(i64, i64)> {
        let date: NumericDate = serde_json::from_str(json).ok()?;
        Some((date.floor().as_secs(), date.ceil().as_secs()))
    }

    #[test]
    fn a_fraction_ends_early_and_begins_late() {
        assert_eq!(parse("1700000000"), Some((1_700_000_000, 1_700_000_000)));
        assert_eq!(parse("1700000000.0"), Some((1_700_000_000, 1_700_000_000)));
        assert_eq!(parse("1700000000.25"), Some((1_700_000_000, 1_700_000_001)));
        assert_eq!(parse("1.7e9"), Some((1_700_000_000, 1_700_000_000)));
        assert_eq!(parse("-0.5"), Some((-1, 0)));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for refused in ["\"1700000000\"", "null", "true", "1e300", "-1e300", "18446744073709551615", "[1]", "{}"] {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }
}
