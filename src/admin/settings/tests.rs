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
fn every_contradiction_is_told_at_once() {
    let several = SettingsChange { retry_window: Some(3600), jwks_max_age: Some(90_000), ..SettingsChange::default() };
    assert_eq!(found(several).len(), 2);
}

#[test]
fn what_is_out_under_the_former_settings_is_told() {
    let after = Settings { key_retention: 3700, key_publication_period: 120, jwks_max_age: 60, ..DEFAULTS };
    let told = caveats(&DEFAULTS, &after, &longest(7200));
    assert!(told.len() == 2 && told[0].contains("2h") && told[1].contains("5m"), "{told:?}");
    assert_eq!(caveats(&DEFAULTS, &DEFAULTS, &longest(600)), Vec::<String>::new());
}
