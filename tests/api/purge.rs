//! What is removed when, and that nothing is removed which an unexpired token could need.

use serde_json::json;
use signet::admin::settings::SettingsChange;
use signet::oauth::purge::{Purge, Purged};
use signet::status::LEASE_LIFETIME;
use signet::store::key_set_fetches::{self, KeySetFetch};

use crate::on_both;
use crate::status_lists::is_invalid;
use crate::support::app::{App, Tokens, header};
use crate::support::bulk::{copy_grant, count};

pub const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;

/// As a new database has it.
pub const KEY_RETENTION: i64 = 25 * HOUR;

pub async fn purge(app: &App) -> Purged {
    Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone()).everything().await.unwrap()
}

async fn rows(app: &App, table: &str) -> usize {
    count(&app.config.database_url, table).await
}

pub async fn own_token(app: &App) -> Tokens {
    app.token(&[("grant_type", "client_credentials")]).await.tokens()
}

async fn set(app: &App, change: SettingsChange) {
    app.admin().change_settings(change).await.unwrap();
    app.synchronise().await;
}

on_both! {
    async fn a_revoked_grant_goes_when_the_last_token_of_it_must_have_expired(app) {
        let kept = app.log_in().await;
        let revoked = app.log_in().await;
        app.post("/oauth2/revoke", &[("token", revoked.refresh())]).await;
        app.advance(KEY_RETENTION + MINUTE - 1);
        assert_eq!(purge(&app).await.grants, 0);
        app.advance(1);
        assert_eq!(purge(&app).await.grants, 1);
        app.refresh(revoked.refresh()).await.refused(400, "invalid_grant");
        app.refresh(kept.refresh()).await.tokens();
    }

    async fn a_grant_that_was_left_alone_goes_as_long_after_its_end(app) {
        let left = app.log_in().await;
        let used = app.log_in().await;
        app.advance(13 * DAY);
        let used = app.refresh(used.refresh()).await.tokens();
        app.advance(DAY + KEY_RETENTION + MINUTE - 1);
        assert_eq!(purge(&app).await.grants, 0);
        app.advance(1);
        assert_eq!(purge(&app).await.grants, 1);
        app.refresh(left.refresh()).await.refused(400, "invalid_grant");
        assert!(!app.is_active(&left.access_token).await);
        app.refresh(used.refresh()).await.tokens();
    }

    async fn a_grant_at_the_end_of_its_life_goes_two_minutes_later(app) {
        set(&app, SettingsChange { refresh_absolute_lifetime: Some(15 * DAY), ..SettingsChange::default() }).await;
        let session = app.log_in().await;
        app.advance(10 * DAY);
        let session = app.refresh(session.refresh()).await.tokens();
        app.advance(5 * DAY - 30);
        let last = app.refresh(session.refresh()).await.tokens();
        assert_eq!(last.body["expires_in"], 30, "no token outlives the grant");
        app.advance(30 + 2 * MINUTE - 1);
        assert_eq!(purge(&app).await.grants, 0);
        app.advance(1);
        assert_eq!(purge(&app).await.grants, 1);
        app.refresh(last.refresh()).await.refused(400, "invalid_grant");
    }

    async fn a_replay_after_the_purge_is_refused_as_before(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        app.advance(MINUTE);
        app.refresh(first.refresh()).await.refused(400, "invalid_grant");
        app.advance(2 * DAY);
        assert_eq!(purge(&app).await.grants, 1);
        for token in [&first, &second] {
            app.refresh(token.refresh()).await.refused(400, "invalid_grant");
            let revoked = app.post("/oauth2/revoke", &[("token", token.refresh())]).await;
            assert_eq!(revoked.status, 200);
        }
    }

    async fn a_longer_retention_of_before_holds_until_the_tokens_of_then_have_expired(app) {
        let long = SettingsChange { access_token_lifetime: Some(DAY), ..SettingsChange::default() };
        set(&app, long).await;
        let own = own_token(&app).await;
        app.post("/oauth2/revoke", &[("token", app.log_in().await.refresh())]).await;
        app.post("/oauth2/revoke", &[("token", &own.access_token)]).await;
        let short = SettingsChange { access_token_lifetime: Some(60), key_retention: Some(660), ..Default::default() };
        set(&app, short).await;
        app.advance(DAY - 1);
        assert_eq!(Purged { login_throttles: 0, ..purge(&app).await }, Purged::default());
        let restarted = app.second_instance().await;
        assert!(is_invalid(&restarted, &own).await);
        app.advance(HOUR + MINUTE + 1);
        assert_eq!((purge(&app).await.grants, rows(&app, "revocations").await), (1, 0));
    }

    async fn a_revocation_goes_when_no_token_can_carry_its_index(app) {
        let own = own_token(&app).await;
        app.post("/oauth2/revoke", &[("token", &own.access_token)]).await;
        app.advance(KEY_RETENTION + MINUTE - 1);
        assert_eq!(purge(&app).await.revocations, 0);
        app.advance(1);
        assert_eq!((purge(&app).await.revocations, rows(&app, "revocations").await), (1, 0));
    }

    async fn a_block_that_ended_with_its_key_is_given_up_however_late_an_instance_looks(app) {
        set(&app, SettingsChange { key_retention: Some(660), ..SettingsChange::default() }).await;
        app.advance(2 * DAY);
        let other = app.second_instance().await;
        let before = other.log_in().await;
        let kid = header(&before.access_token)["kid"].as_str().unwrap().to_owned();
        app.admin().revoke_key(&kid).await.unwrap();
        other.synchronise().await;
        app.synchronise().await;
        app.advance(LEASE_LIFETIME.num_seconds() - 1);
        assert_eq!(purge(&app).await.revocations, 0, "the block may be open");
        let after = other.log_in().await;
        assert!(!is_invalid(&app, &after).await, "its index is from another block");
        app.advance(MINUTE + 1);
        assert_eq!(purge(&app).await.revocations, 1);
    }

    async fn the_block_of_a_clients_tokens_stays_as_long_as_the_last_of_them(app) {
        set(&app, SettingsChange { access_token_lifetime: Some(DAY), ..SettingsChange::default() }).await;
        own_token(&app).await;
        app.advance(LEASE_LIFETIME.num_seconds() - 1);
        let last = own_token(&app).await;
        assert_eq!(rows(&app, "status_leases").await, 1);
        app.advance(DAY);
        assert_eq!(purge(&app).await.status_leases, 0);
        app.advance(-1);
        app.admin().delete_client("erp").await.unwrap();
        app.synchronise().await;
        assert!(is_invalid(&app, &last).await, "found by its block");
        app.advance(HOUR + MINUTE + 1);
        assert_eq!(purge(&app).await.status_leases, 0);
        app.advance(1);
        assert_eq!(purge(&app).await.status_leases, 1);
    }

    async fn the_block_of_grants_stays_as_long_as_one_of_them_lives(app) {
        let (mut session, short) = (app.log_in().await, app.log_in().await);
        app.post("/oauth2/revoke", &[("token", short.refresh())]).await;
        for _ in 0..4 {
            app.advance(10 * DAY);
            session = app.refresh(session.refresh()).await.tokens();
            let removed = purge(&app).await;
            assert_eq!((removed.status_leases, rows(&app, "status_leases").await), (0, 1));
        }
        let kid = header(&session.access_token)["kid"].as_str().unwrap().to_owned();
        app.admin().revoke_key(&kid).await.unwrap();
        app.synchronise().await;
        assert!(is_invalid(&app, &session).await, "found by its block");
        let session = app.refresh(session.refresh()).await.tokens();
        assert!(!is_invalid(&app, &session).await);
        app.post("/oauth2/revoke", &[("token", session.refresh())]).await;
        app.advance(3 * DAY);
        let removed = purge(&app).await;
        assert_eq!((removed.grants, removed.status_leases, rows(&app, "status_leases").await), (1, 2, 0));
    }

    async fn verifiers_that_fetch_no_more_are_forgotten_though_nobody_fetches(app) {
        let now = app.clock.now();
        let fetch = KeySetFetch { verifier: "agent:a".to_owned(), last_fetched_at: now, newest_key_at: now };
        let mut connection = app.provider.store.writing().await.unwrap();
        key_set_fetches::record(&mut connection, &[fetch]).await.unwrap();
        drop(connection);
        app.advance(30 * DAY);
        assert_eq!(purge(&app).await.key_set_fetches, 0);
        app.advance(1);
        assert_eq!(purge(&app).await.key_set_fetches, 1);
    }

    async fn a_round_is_bounded_and_the_next_goes_on_from_there(app) {
        app.log_in().await;
        copy_grant(&app.config.database_url, 20_500).await;
        app.advance(16 * DAY);
        let live = app.log_in().await;
        let mut purge = Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone());
        // The live one lies in between.
        assert_eq!(purge.round().await.unwrap().grants, 20_000 - 1, "twenty pages");
        assert_eq!(purge.round().await.unwrap().grants, 502);
        assert_eq!(purge.round().await.unwrap(), Purged::default());
        app.refresh(live.refresh()).await.tokens();
    }

    async fn a_round_goes_on_behind_what_it_has_looked_at(app) {
        app.log_in().await;
        copy_grant(&app.config.database_url, 20_500).await;
        app.sql("UPDATE grants SET idle_expires_at = expires_at WHERE id <> (SELECT id FROM grants ORDER BY id DESC LIMIT 1)")
            .await;
        app.advance(16 * DAY);
        let mut purge = Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone());
        assert_eq!(purge.round().await.unwrap().grants, 0, "the one that is dead is the last");
        assert_eq!(purge.round().await.unwrap().grants, 1);
    }

    async fn everything_that_has_expired_goes_however_many_batches_it_takes(app) {
        app.log_in().await;
        copy_grant(&app.config.database_url, 2500).await;
        app.advance(91 * DAY);
        let live = app.log_in().await;
        assert_eq!(purge(&app).await.grants, 2501);
        app.refresh(live.refresh()).await.tokens();
        assert_eq!(json!(purge(&app).await)["grants"], 0);
    }
}
