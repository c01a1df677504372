//! When is ordered; the rest is tested against an authority, in `tests/api/acme.rs`.

use chrono::{TimeDelta, TimeZone as _, Utc};

use super::{LONGEST_PAUSE, pause, renewal};

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let from = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    assert_eq!(renewal(from, from + TimeDelta::days(90)), from + TimeDelta::days(60));
    assert_eq!(renewal(from, from + TimeDelta::days(6)), from + TimeDelta::days(4));
}

#[test]
fn orders_that_fail_are_repeated_ever_more_rarely_and_not_five_times_an_hour() {
    let pauses: Vec<_> = (0..4).map(pause).collect();
    assert_eq!(pauses, [1, 3, 9, 27].map(TimeDelta::minutes));
    assert!(
        pauses.iter().sum::<TimeDelta>() + pause(4) > TimeDelta::hours(1),
        "the fifth failure comes later than that"
    );
    for many in [7, 60, i64::MAX] {
        assert_eq!(pause(many), LONGEST_PAUSE);
    }
}
