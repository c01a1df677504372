//! Durations in whole seconds: which are sensible, and how they are spelled for people.

use super::Error;

/// Ten years of 365 days: longer is a mistake, and sums of such values stay far from any limit of the calendar.
pub const LONGEST: i64 = 10 * 365 * DAY;

/// How long a key must stay in the set after the last token it signed has expired: the leeway of verifiers.
pub const LEEWAY: i64 = 60;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// # Errors
/// When `seconds` is no lifetime.
pub(super) fn check(field: &'static str, seconds: i64) -> Result<(), Error> {
    match seconds {
        ..=0 => Err(Error::invalid(field, "must be at least one second")),
        1..=LONGEST => Ok(()),
        _ => Err(Error::invalid(field, format!("must be at most {}", spelled(LONGEST)))),
    }
}

/// As people write it, and as the command line reads it: `1d 12h`, `10m`, `0s`.
pub fn spelled(seconds: i64) -> String {
    let units =
        [(seconds / DAY, "d"), (seconds % DAY / HOUR, "h"), (seconds % HOUR / MINUTE, "m"), (seconds % MINUTE, "s")];
    let parts: Vec<String> =
        units.iter().filter(|(count, _)| *count != 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelled_duration_is_read_back_as_the_same() {
        for (seconds, text) in [(1, "1s"), (90, "1m 30s"), (600, "10m"), (90_000, "1d 1h"), (7_776_000, "90d")] {
            assert_eq!(spelled(seconds), text);
            assert_eq!(humantime::parse_duration(text).unwrap().as_secs(), seconds.unsigned_abs());
        }
        assert_eq!(spelled(0), "0s");
    }

    #[test]
    fn a_lifetime_is_positive_and_not_absurd() {
        assert!(check("x", 0).is_err() && check("x", -1).is_err() && check("x", LONGEST + 1).is_err());
        assert!(check("x", 1).is_ok() && check("x", LONGEST).is_ok());
    }
}
