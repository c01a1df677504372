//! The settings that come with a new database, and what contradicts what.

use super::*;

/// As the first migration has them.
pub(in crate::admin) const DEFAULTS: Settings = Settings {
    id: 1,
    access_token_lifetime: 600,
    refresh_idle_lifetime: 1_209_600,
    refresh_absolute_lifetime: 7_776_000,
    retry_window: 30,
    key_rotation_interval: 7_776_000,
    key_publication_period: 86_400,
    key_retention: 90_000,
    jwks_max_age: 300,
    former_key_retention: None,
    former_key_retention_until: None,
    former_key_sets_until: None,
    grant_limit: 100,
    login_throttling: true,
    login_limit_per_name: 20,
    login_limit_per_address: 100,
    login_limit_per_pair: 10,
    login_limit_per_known_pair: 20,
    login_window: 900,
    login_longest_block: 900,
    audit_retention: 31_536_000,
    audit_tokens: false,
};

fn longest(seconds: i64) -> Longest {
    Longest { seconds, place: "client erp".to_owned() }
}

/// What contradicts what after the change, with the default lifetime as the longest.
fn found(change: SettingsChange) -> Vec<String> {
    let settings = apply(DEFAULTS, change).unwrap();
    contradictions(&settings, &longest(settings.access_token_lifetime))
}

#[track_caller]
fn assert_only(found: &[String], parts: &[&str]) {
    assert_eq!(found.len(), 1, "{found:?}");
    for part in parts {
        assert!(found[0].contains(part), "{part:?} is not in {found:?}");
    }
}

#[test]
fn the_defaults_agree() {
    assert_eq!(found(SettingsChange::default()), Vec::<String>::new());
}

#[test]
fn a_key_is_published_for_as_long_as_a_verifier_may_keep_the_set() {
    let at_the_limit = SettingsChange { key_publication_period: Some(360), ..SettingsChange::default() };
    assert!(found(at_the_limit).is_empty());
    let short = SettingsChange { key_publication_period: Some(359), ..SettingsChange::default() };
    assert_only(&found(short), &["(5m 59s)", "jwks_max_age (5m)", "set it to 6m or more"]);
}

#[test]
fn a_key_stays_longer_than_any_token_it_signed() {
    let settings = Settings { key_retention: 3660, ..DEFAULTS };
    assert!(contradictions(&settings, &longest(3600)).is_empty());
    assert_only(&contradictions(&settings, &longest(3601)), &["(1h 1m)", "1h 1s, of client erp", "set it to 1h 1m 1s"]);
}

#[test]
fn keys_rotate_no_faster_than_they_are_published() {
    let at_the_limit = SettingsChange { key_rotation_interval: Some(172_800), ..SettingsChange::default() };
    assert!(found(at_the_limit).is_empty());
    let fast = SettingsChange { key_rotation_interval: Some(172_799), ..SettingsChange::default() };
    assert_only(&found(fast), &["key_publication_period (1d)", "set it to 2d or more"]);
}

#[test]
fn a_grant_lies_idle_no_longer_than_it_lives() {
    let long = SettingsChange { refresh_idle_lifetime: Some(7_776_001), ..SettingsChange::default() };
    assert_only(&found(long), &["(90d 1s)", "refresh_absolute_lifetime (90d)"]);
}

#[test]
fn a_retry_is_forgiven_for_minutes_only() {
    let none = SettingsChange { retry_window: Some(0), ..SettingsChange::default() };
    assert!(found(none).is_empty());
    let long = SettingsChange { retry_window: Some(301), ..SettingsChange::default() };
    assert_only(&found(long), &["(5m 1s)", "longer than 5m"]);
    assert!(apply(DEFAULTS, SettingsChange { retry_window: Some(-1), ..SettingsChange::default() }).is_err());
}

#[test]
fn limits_of_logins_are_sensible() {
    let change = SettingsChange::default();
    for (bad, field) in [
        (SettingsChange { login_limit_per_name: Some(0), ..change }, "login_limit_per_name"),
        (SettingsChange { login_limit_per_name: Some(101), ..change }, "login_limit_per_name"),
        (SettingsChange { login_limit_per_address: Some(-1), ..change }, "login_limit_per_address"),
        (SettingsChange { login_limit_per_pair: Some(101), ..change }, "login_limit_per_pair"),
        (SettingsChange { login_limit_per_known_pair: Some(0), ..change }, "login_limit_per_known_pair"),
        (SettingsChange { login_window: Some(0), ..change }, "login_window"),
        (SettingsChange { login_longest_block: Some(86_401), ..change }, "login_longest_block"),
    ] {
        assert!(
            matches!(apply(DEFAULTS, bad), Err(Error::Invalid { field: refused, .. }) if refused == field),
            "{field}"
        );
    }
    let good = SettingsChange { login_throttling: Some(false), login_limit_per_address: Some(100_000), ..change };
    let applied = apply(DEFAULTS, good).unwrap();
    assert!(!applied.login_throttling && applied.login_limit_per_address == 100_000);
}

#[test]
fn audit_events_are_kept_for_a_day_at_least() {
    let keep =
        |seconds| apply(DEFAULTS, SettingsChange { audit_retention: Some(seconds), ..SettingsChange::default() });
    assert_eq!(keep(86_400).unwrap().audit_retention, 86_400);
    for bad in [86_399, 0, -1, lifetime::LONGEST + 1] {
        assert!(matches!(keep(bad), Err(Error::Invalid { field: "audit_retention", .. })), "{bad}");
    }
    let on = SettingsChange { audit_tokens: Some(true), ..SettingsChange::default() };
    assert!(!DEFAULTS.audit_tokens && apply(DEFAULTS, on).unwrap().audit_tokens);
}

#[test]
fn every_contradiction_is_told_at_once() {
    let several = SettingsChange { retry_window: Some(3600), jwks_max_age: Some(90_000), ..SettingsChange::default() };
    assert_eq!(found(several).len(), 2);
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// The settings after a change to these values at that second.
fn changed(before: &Settings, second: i64, (retention, max_age): (i64, i64)) -> Settings {
    let change =
        SettingsChange { key_retention: Some(retention), jwks_max_age: Some(max_age), ..SettingsChange::default() };
    remember(before, apply(*before, change).unwrap(), at(second))
}

#[test]
fn a_shorter_retention_begins_when_the_tokens_that_are_out_have_expired() {
    let retention = |settings: &Settings, second| settings.retention_at(at(second)).num_seconds();
    let shorter = changed(&DEFAULTS, 1000, (700, 300));
    assert_eq!((retention(&shorter, 1000), retention(&shorter, 90_999)), (90_000, 90_000));
    assert_eq!(retention(&shorter, 91_000), 700);
    let notes = caveats(&DEFAULTS, &shorter);
    assert!(notes.len() == 1 && notes[0].contains("1970-01-02T01:16:40Z") && notes[0].contains("1d 1h"), "{notes:?}");

    let back = changed(&shorter, 2000, (90_000, 300));
    assert_eq!((back.former_key_retention, caveats(&shorter, &back).len()), (None, 0));

    let again = changed(&shorter, 90_900, (660, 300));
    assert_eq!((retention(&again, 91_599), retention(&again, 91_600)), (90_000, 660), "those issued since live 700 s");
}

#[test]
fn a_shorter_max_age_lets_a_new_key_wait_for_the_key_sets_that_are_out() {
    let hour = changed(&Settings { key_publication_period: 7200, ..DEFAULTS }, 0, (90_000, 3600));
    assert_eq!(hour.former_key_sets_until, None, "a longer one harms nobody");
    let minute = Settings { key_publication_period: 120, ..changed(&hour, 1000, (90_000, 60)) };
    let publication = |second| minute.publication_at(at(second)).num_seconds();
    assert_eq!((publication(1000), publication(2000)), (3660, 2660));
    assert_eq!((publication(4540), publication(4541), publication(9000)), (120, 120, 120));
    let notes = caveats(&hour, &minute);
    assert!(notes.len() == 1 && notes[0].contains("up to 1h") && notes[0].contains("01:17:40"), "{notes:?}");
}
