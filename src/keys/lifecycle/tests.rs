//! States and transitions of single schedules.

use super::*;
use crate::protocol::jwk::Algorithm::{ES256, RS256};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

fn key(kid: &str, active_at: i64) -> Schedule {
    Schedule { kid: kid.into(), algorithm: ES256, active_at: at(active_at), revoked_at: None, retired_at: None }
}

fn revoked(kid: &str, active_at: i64, revoked_at: i64) -> Schedule {
    Schedule { revoked_at: Some(at(revoked_at)), ..key(kid, active_at) }
}

fn states(keys: &[Schedule], now: i64) -> Vec<State> {
    spans(keys, seconds(30)).iter().map(|span| span.state(at(now))).collect()
}

#[test]
fn a_key_is_published_then_signs_then_verifies_then_expires() {
    use State::{Expired, Published, Signing, Verifying};
    let keys = [key("a", 100), key("b", 200)];
    for (now, expected) in [
        (99, [Published, Published]),
        (100, [Signing, Published]),
        (199, [Signing, Published]),
        (200, [Verifying, Signing]),
        (229, [Verifying, Signing]),
        (230, [Expired, Signing]),
    ] {
        assert_eq!(states(&keys, now), expected, "at {now}");
    }
}

#[test]
fn the_order_in_which_keys_are_given_does_not_matter() {
    let (forward, backward) = ([key("a", 100), key("b", 200)], [key("b", 200), key("a", 100)]);
    for now in [99, 100, 200, 230] {
        let mut reversed = states(&backward, now);
        reversed.reverse();
        assert_eq!(states(&forward, now), reversed);
    }
}

#[test]
fn keys_of_different_algorithms_have_nothing_to_do_with_each_other() {
    let rsa = Schedule { algorithm: RS256, ..key("b", 200) };
    assert_eq!(states(&[key("a", 100), rsa.clone()], 1000), [State::Signing, State::Signing]);
    assert_eq!(rotation_due(&[rsa], ES256, at(500), seconds(1000), seconds(100)), Some(at(440)));
}

#[test]
fn of_keys_that_start_together_the_last_by_kid_signs() {
    let keys = [key("b", 100), key("c", 100), key("a", 100)];
    assert_eq!(states(&keys, 100), [State::Verifying, State::Signing, State::Verifying]);
}

#[test]
fn a_revoked_key_is_out_at_once_even_for_a_clock_that_lags() {
    let keys = [key("a", 100), revoked("b", 200, 250), key("c", 300)];
    assert_eq!(states(&keys, 249), [State::Signing, State::Revoked, State::Published]);
    assert_eq!(states(&keys, 300), [State::Verifying, State::Revoked, State::Signing]);
    assert_eq!(spans(&keys, seconds(30))[1].next_transition(at(0)), None);
}

#[test]
fn a_predecessor_verifies_until_the_next_key_that_is_not_revoked_has_outlived_its_tokens() {
    let keys = [key("a", 100), revoked("b", 200, 201), key("c", 300)];
    assert_eq!(states(&keys, 329)[0], State::Verifying);
    assert_eq!(states(&keys, 330)[0], State::Expired);
}

#[test]
fn each_transition_is_where_the_state_changes() {
    let keys = [key("a", 100), key("b", 200), key("c", 300), revoked("d", 250, 260)];
    for (span, name) in spans(&keys, seconds(30)).iter().zip(["a", "b", "c", "d"]) {
        for now in 0..400 {
            let next = (now + 1..500).find(|later| span.state(at(*later)) != span.state(at(now)));
            assert_eq!(span.next_transition(at(now)), next.map(at), "{name} at {now}");
        }
    }
}

#[test]
fn a_first_key_and_one_after_all_are_revoked_sign_at_once_also_for_a_clock_that_lags() {
    let due = |keys: &[Schedule]| rotation_due(keys, ES256, at(500), seconds(1000), seconds(100));
    assert_eq!(due(&[]), Some(at(500) - SKEW));
    assert_eq!(due(&[revoked("a", 10, 40)]), Some(at(440)));
    let last = due(&[revoked("a", 470, 480)]).unwrap();
    assert!(at(470) < last && last < at(471), "never before one that has started: {last}");
}

#[test]
fn a_key_that_must_sign_now_supersedes_every_key_that_has_started() {
    let keys = [key("z", 100), key("y", 200), revoked("x", 300, 310), key("w", 400)];
    assert_eq!(immediate(&keys, ES256, at(350)), at(350), "another can sign until then");
    let now = immediate(&keys, ES256, at(300));
    assert!(at(300) < now && now < at(301), "in the same instant: {now}");
    let mut with_it = keys.to_vec();
    with_it.push(Schedule { active_at: now, ..key("a", 0) });
    use State::{Expired, Published, Revoked, Signing, Verifying};
    assert_eq!(states(&with_it, 301), [Expired, Verifying, Revoked, Published, Signing]);
}

#[test]
fn a_successor_starts_exactly_one_interval_later_although_the_check_comes_late() {
    let due = |now| rotation_due(&[key("a", 0)], ES256, at(now), seconds(1000), seconds(100));
    assert_eq!(due(799), None);
    for now in 800..=900 {
        assert_eq!(due(now), Some(at(1000)), "checked at {now}");
    }
}

#[test]
fn a_successor_never_starts_before_it_was_published_for_long_enough() {
    let due = |now, interval| rotation_due(&[key("a", 0)], ES256, at(now), seconds(interval), seconds(100));
    assert_eq!(due(901, 1000), Some(at(1001)));
    assert_eq!(due(5000, 1000), Some(at(5100)));
    assert_eq!(due(0, 1), Some(at(100)));
}

#[test]
fn while_a_key_waits_no_other_is_made() {
    let waiting = [key("a", 0), key("b", 1000)];
    assert_eq!(rotation_due(&waiting, ES256, at(950), seconds(50), seconds(100)), None);
    assert_eq!(rotation_due(&waiting, ES256, at(1000), seconds(50), seconds(100)), Some(at(1100)));
    let keys = [key("a", 0), key("b", 1000)];
    assert_eq!(rotation_due(&keys, ES256, at(999), seconds(1000), seconds(100)), None);
    assert_eq!(rotation_due(&keys, ES256, at(1800), seconds(1000), seconds(100)), Some(at(2000)));
    assert_eq!(
        rotation_due(&[revoked("b", 1000, 1), key("a", 0)], ES256, at(999), seconds(1000), seconds(100)),
        Some(at(1099))
    );
}

#[test]
fn no_time_or_period_makes_it_panic() {
    let far = Schedule { active_at: DateTime::<Utc>::MAX_UTC, ..key("b", 0) };
    for span in spans(&[key("a", 0), far], TimeDelta::MAX) {
        assert!(span.state(DateTime::<Utc>::MIN_UTC).verifies());
        span.next_transition(DateTime::<Utc>::MAX_UTC);
    }
    assert!(rotation_due(&[key("a", 0)], ES256, DateTime::<Utc>::MAX_UTC, TimeDelta::MAX, TimeDelta::MAX).is_some());
}

fn retired(kid: &str, retired_at: i64) -> Schedule {
    Schedule { retired_at: Some(at(retired_at)), ..key(kid, retired_at) }
}

#[test]
fn a_retired_key_verifies_without_a_successor_and_then_expires() {
    use State::{Expired, Published, Verifying};
    for (now, expected) in [(99, Published), (100, Verifying), (129, Verifying), (130, Expired)] {
        assert_eq!(states(&[retired("r", 100)], now), [expected], "at {now}");
    }
    let span = spans(&[retired("r", 100)], seconds(30))[0];
    assert_eq!(span.next_transition(at(100)), Some(at(130)));
}

#[test]
fn a_retired_key_ends_no_other_and_is_none_that_an_algorithm_can_sign_with() {
    use State::{Signing, Verifying};
    assert_eq!(states(&[key("a", 0), retired("r", 100)], 110), [Signing, Verifying]);
    assert_eq!(states(&[key("a", 0), retired("r", 100), key("b", 120)], 125), [Verifying, Verifying, Signing]);
    let due = rotation_due(&[retired("r", 100)], ES256, at(110), seconds(1000), seconds(100));
    assert_eq!(due, Some(at(110) - SKEW), "it starts as the first key of all does");
}
