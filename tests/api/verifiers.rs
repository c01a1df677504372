//! APIs that keep the key set in the ways that libraries do, through a week of rotations on real HTTP: none that the
//! settings promise to cover ever refuses a good token.

use std::collections::HashMap;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use signet::admin::settings::SettingsChange;
use signet::entropy::Entropy;
use signet::keys::Activation;

use crate::on_both;
use crate::support::app::{API, Answer, App, ISSUER, claims, header};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// When a verifier fetches the key set again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    /// When it is older than `Cache-Control: max-age` says.
    HonoursMaxAge,
    /// When it is older than so many seconds, whatever the header says.
    Every(i64),
    /// When a token names a kid that is not in it, but not again within so many seconds; else never.
    OnUnknownKid { cool_down: i64 },
}

struct Verifier {
    habit: Habit,
    keys: HashMap<String, DecodingKey>,
    etag: String,
    fetched_at: Option<i64>,
    max_age: i64,
    fetches: u32,
}

impl Verifier {
    fn new(habit: Habit) -> Self {
        Self { habit, keys: HashMap::new(), etag: String::new(), fetched_at: None, max_age: 0, fetches: 0 }
    }

    /// Whether the token is good, as the API finds at this time of its clock.
    async fn accepts(&mut self, app: &App, token: &str) -> bool {
        let now = app.clock.now().timestamp();
        let kid = header(token)["kid"].as_str().unwrap().to_owned();
        let age = self.fetched_at.map_or(i64::MAX, |at| now - at);
        let fetches = match self.habit {
            Habit::HonoursMaxAge => age >= self.max_age,
            Habit::Every(period) => age >= period,
            Habit::OnUnknownKid { cool_down } => !self.keys.contains_key(&kid) && age >= cool_down,
        };
        if fetches {
            self.fetch(app, now).await;
        }
        let Some(key) = self.keys.get(&kid) else { return false };
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[API]);
        // The issuer's clock is moved by hand: what expired is sorted out by the caller.
        validation.validate_exp = false;
        jsonwebtoken::decode::<serde::de::IgnoredAny>(token, key, &validation).is_ok()
    }

    async fn fetch(&mut self, app: &App, now: i64) {
        let request = app.http.get(format!("{}/.well-known/jwks.json", app.base)).header("if-none-match", &self.etag);
        let answer = Answer::of(request).await;
        (self.fetched_at, self.fetches) = (Some(now), self.fetches + 1);
        answer.header("etag").clone_into(&mut self.etag);
        self.max_age = answer.header("cache-control").strip_prefix("public, max-age=").unwrap().parse().unwrap();
        if answer.status == 200 {
            let set: JwkSet = serde_json::from_str(&answer.text).unwrap();
            let parsed = |key: &Jwk| (key.common.key_id.clone().unwrap(), DecodingKey::from_jwk(key).unwrap());
            self.keys = set.keys.iter().map(parsed).collect();
        }
    }
}

/// Keys change every 12 hours. Each is published for a bit more than an hour, which is what the settings promise: that is
/// for verifiers that keep the key set for up to an hour, though the header asks them for 5 minutes.
async fn rotate_often(app: &App) {
    let change = SettingsChange {
        key_rotation_interval: Some(12 * HOUR),
        key_publication_period: Some(HOUR + 60),
        key_retention: Some(660),
        ..SettingsChange::default()
    };
    app.admin().change_settings(change).await.unwrap();
    // The longer retention of before must not make it easier.
    app.sql("UPDATE settings SET former_key_retention = NULL, former_key_retention_until = NULL").await;
    app.provider.keys.reload().await.unwrap();
    app.synchronise().await;
}

on_both! {
    async fn no_verifier_that_the_settings_cover_fails_in_a_week_of_rotations(app) {
        rotate_often(&app).await;
        let other = app.second_instance().await;
        let covered = [
            Habit::HonoursMaxAge,
            Habit::Every(300),
            Habit::OnUnknownKid { cool_down: 30 },
            Habit::Every(HOUR),
        ];
        let mut verifiers = covered.map(Verifier::new);
        let mut careless = Verifier::new(Habit::Every(DAY));
        let (mut failures, mut kids) = (0, Vec::new());
        let mut live: Vec<String> = Vec::new();
        let entropy = Entropy::seeded(12);
        let end = app.clock.now() + chrono::Duration::days(7);
        for step in 0.. {
            if app.clock.now() >= end {
                break;
            }
            let random = i64::from(u16::from_le_bytes(entropy.bytes()));
            // What goes wrong goes wrong from the making of a key to the end of the former one: elsewhere steps are long.
            let newest = app.provider.keys.ring().keys().iter().map(|key| key.opened().active_at).max().unwrap();
            let started = (app.clock.now() - newest).num_seconds();
            let near = !(1200..11 * HOUR - 300).contains(&started);
            app.advance(random % if near { 300 } else { HOUR });
            // The instances take turns, each behind the other. Every second rotation is noticed so late that its key is
            // published for no longer than it must be.
            let (instance, late) = if step % 2 == 0 { (&app, &other) } else { (&other, &app) };
            if kids.len() % 2 == 0 || started > 11 * HOUR - 60 {
                instance.provider.keys.maintain().await.unwrap();
            }
            instance.synchronise().await;
            let issuer = if step % 5 == 0 { late } else { instance };
            let token = issuer.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
            let kid = header(&token)["kid"].as_str().unwrap().to_owned();
            if kids.last() != Some(&kid) {
                kids.push(kid);
            }
            let now = app.clock.now().timestamp();
            live.retain(|token| claims(token)["exp"].as_i64().unwrap() > now);
            live.push(token);
            for token in [live.first(), live.last()].into_iter().flatten() {
                for verifier in &mut verifiers {
                    let accepted = verifier.accepts(instance, token).await;
                    assert!(accepted, "{:?} at step {step}, {now}: {:?}", verifier.habit, header(token));
                }
                failures += u32::from(!careless.accepts(instance, token).await);
            }
        }
        assert!((13..=15).contains(&kids.len()), "{} keys signed, one in about 12 hours", kids.len());
        assert!(failures > 50, "a verifier that loads once a day was not covered, and failed {failures} times");
        assert!(verifiers[2].fetches as usize <= kids.len() + 1, "one fetch a key");
    }

    async fn a_key_that_is_activated_at_once_fails_those_that_are_told_and_for_as_long(app) {
        let mut verifiers = [Habit::HonoursMaxAge, Habit::OnUnknownKid { cool_down: 30 }].map(Verifier::new);
        let token = async || app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
        for verifier in &mut verifiers {
            assert!(verifier.accepts(&app, &token().await).await);
        }
        app.advance(60);
        let done = app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        app.synchronise().await;
        assert!(done.notes[0].contains("for 5m (jwks_max_age)"), "{:?}", done.notes);
        assert!(done.notes[0].contains("for up to 5m, until 2026-01-05T12:06:00Z"), "{:?}", done.notes);
        let [honouring, refetching] = &mut verifiers;
        assert!(refetching.accepts(&app, &token().await).await);
        assert!(!honouring.accepts(&app, &token().await).await);
        app.advance(239);
        assert!(!honouring.accepts(&app, &token().await).await);
        app.advance(1);
        assert!(honouring.accepts(&app, &token().await).await, "its key set was five minutes old");
    }

    async fn a_staged_key_that_is_activated_at_once_fails_only_those_that_have_not_fetched_it(app) {
        let staged = app.admin().rotate_keys(None, Activation::Published).await.unwrap().view.remove(0);
        app.advance(240);
        let done = app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        assert_eq!((&done.view[0].kid, done.view[0].new), (&staged.kid, false));
        assert!(done.notes[0].contains("for up to 1m, until"), "{:?}", done.notes);
        assert_eq!(app.newest_event().await.action, "signing_key.activate");
        app.synchronise().await;
        let token = app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
        assert_eq!(header(&token)["kid"], staged.kid);

        app.admin().rotate_keys(None, Activation::Published).await.unwrap();
        app.advance(300);
        let done = app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        assert!(done.notes[0].contains("no verifier that keeps to that fails"), "{:?}", done.notes);
    }
}
