//! Revoking a signing key: the set, the successor, the tokens at introspection and in the status lists, and everything
//! that happens at the same time.

use serde_json::Value;
use signet::admin::Error;
use signet::admin::settings::SettingsChange;
use signet::config::DatabaseUrl;
use signet::keys::Activation;
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;

use crate::on_both;
use crate::support::app::{API, App, claims, header};

const EDDSA_API: &str = "https://eddsa.example";

async fn kids(app: &App) -> Vec<String> {
    let keys = app.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn client_token(app: &App) -> String {
    app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

/// Whether the published bit of the token is set.
async fn is_bit_set(app: &App, token: &str) -> bool {
    let claims = claims(token);
    let reference = &claims["status"]["status_list"];
    let list = reference["uri"].as_str().unwrap().rsplit_once('/').unwrap().1.parse().unwrap();
    let mut connection = app.provider.store.reading().await.unwrap();
    let revoked = signet::store::status::revoked_at(&mut connection, list, reference["idx"].as_i64().unwrap());
    revoked.await.unwrap().is_some()
}

/// (active at introspection, bit set).
async fn standing(app: &App, token: &str) -> (bool, bool) {
    (app.is_active(token).await, is_bit_set(app, token).await)
}

const GOOD: (bool, bool) = (true, false);
const DEAD: (bool, bool) = (false, true);

on_both! {
    async fn a_revoked_key_leaves_the_set_and_its_successor_signs_at_once(app) {
        let first = kid(&client_token(&app).await);
        let done = app.admin().revoke_key(&first).await.unwrap();
        app.synchronise().await;
        let successor = done.view.successor.unwrap();
        assert_eq!((done.view.alg, successor.new), (Algorithm::ES256, true));
        assert!(done.notes[0].contains("for up to 5m (jwks_max_age), until 2026-01-05T12:05:00Z"), "{:?}", done.notes);
        assert_eq!(kids(&app).await, [successor.kid.as_str()]);
        assert_eq!(kid(&client_token(&app).await), successor.kid);
        let event = app.events(|action| action == "signing_key.revoke").await.remove(0);
        assert_eq!(event.target, format!("signing_key:{first}"));
        assert_eq!(event.details.0["successor"], successor.kid);

        let again = app.admin().revoke_key(&first).await.unwrap_err().to_string();
        assert!(again.contains("revoked already, at 2026-01-05T12:00:00Z"), "{again}");
        assert!(matches!(app.admin().plan_key_revocation(&first).await, Err(Error::Refused(_))));
        for unknown in ["nobody's", "", "a\0b"] {
            assert!(matches!(app.admin().revoke_key(unknown).await, Err(Error::NotFound { kind: "key", .. })));
        }
        let keys = app.admin().signing_keys().await.unwrap().view;
        let states: Vec<&str> = keys.iter().map(|key| key.state.as_str()).collect();
        assert_eq!((states, kids(&app).await.len()), (vec!["revoked", "signing"], 1));
    }

    async fn tokens_of_a_revoked_key_end_and_grants_live_on(app) {
        let (own, alice) = (client_token(&app).await, app.log_in().await);
        assert_eq!((standing(&app, &own).await, standing(&app, &alice.access_token).await), (GOOD, GOOD));
        let plan = app.admin().plan_key_revocation(&kid(&own)).await.unwrap();
        assert_eq!((plan.grants, plan.client_tokens_at_most, plan.state.as_str()), (1, 64, "signing"));
        let done = app.admin().revoke_key(&kid(&own)).await.unwrap();
        assert_eq!(done.view.grants, 1);
        app.synchronise().await;
        assert_eq!((standing(&app, &own).await, standing(&app, &alice.access_token).await), (DEAD, DEAD));

        let refreshed = app.refresh(alice.refresh()).await.tokens();
        assert_eq!(standing(&app, &refreshed.access_token).await, GOOD);
        assert_eq!(standing(&app, &client_token(&app).await).await, GOOD);
        assert_eq!(standing(&app, &app.log_in().await.access_token).await, GOOD);

        app.post("/oauth2/revoke", &[("token", refreshed.refresh())]).await;
        assert_eq!(standing(&app, &refreshed.access_token).await, DEAD, "a grant that moved can still be revoked");
    }

    async fn a_grant_that_got_its_last_token_long_ago_is_left_where_it_is(app) {
        let alice = app.log_in().await;
        app.advance(25 * 3600 + 120);
        let plan = app.admin().plan_key_revocation(&kid(&alice.access_token)).await.unwrap();
        assert_eq!((plan.grants, plan.client_tokens_at_most), (0, 0));
        let done = app.admin().revoke_key(&kid(&alice.access_token)).await.unwrap();
        assert_eq!((done.view.grants, is_bit_set(&app, &alice.access_token).await), (0, false));
        app.synchronise().await;
        assert_eq!(standing(&app, &app.refresh(alice.refresh()).await.tokens().access_token).await, GOOD);
    }

    async fn tokens_that_clients_took_under_another_key_stay_good(app) {
        app.api(EDDSA_API, "read", Algorithm::EdDSA).await;
        let secret = app.client("reports", &[EDDSA_API, API], &[GrantType::ClientCredentials], None).await.unwrap();
        let token_for = async |resource: &str| {
            let form = [("grant_type", "client_credentials"), ("resource", resource)];
            app.post_as("/oauth2/token", ("reports", &secret), &form).await.tokens().access_token
        };
        let (eddsa, before) = (token_for(EDDSA_API).await, token_for(API).await);
        app.admin().rotate_keys(Some(Algorithm::ES256), Activation::AtOnce).await.unwrap();
        app.synchronise().await;
        app.advance(1);
        let after = token_for(API).await;
        assert_ne!(kid(&before), kid(&after));
        app.admin().revoke_key(&kid(&after)).await.unwrap();
        app.synchronise().await;
        assert_eq!(standing(&app, &after).await, DEAD);
        assert_eq!(standing(&app, &before).await, GOOD);
        assert!(!is_bit_set(&app, &eddsa).await);
        assert_eq!(kid(&token_for(EDDSA_API).await), kid(&eddsa));
    }

    async fn the_key_that_waits_takes_over(app) {
        let first = kid(&client_token(&app).await);
        let staged = app.admin().rotate_keys(None, Activation::Published).await.unwrap().view.remove(0);
        app.advance(60);
        let successor = app.admin().revoke_key(&first).await.unwrap().view.successor.unwrap();
        assert_eq!((&successor.kid, successor.new), (&staged.kid, false));
        app.synchronise().await;
        assert_eq!((kids(&app).await, kid(&client_token(&app).await)), (vec![staged.kid.clone()], staged.kid));
    }

    async fn a_key_that_does_not_sign_is_revoked_without_a_successor(app) {
        let first = kid(&client_token(&app).await);
        let staged = app.admin().rotate_keys(None, Activation::Published).await.unwrap().view.remove(0);
        assert!(app.admin().revoke_key(&staged.kid).await.unwrap().view.successor.is_none());
        app.synchronise().await;
        assert_eq!((kids(&app).await, kid(&client_token(&app).await)), (vec![first.clone()], first.clone()));
        let second = app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap().view.remove(0);
        assert!(app.admin().revoke_key(&first).await.unwrap().view.successor.is_none(), "it only verified");
        app.synchronise().await;
        assert_eq!(kids(&app).await, [second.kid]);
    }

    async fn an_instance_that_has_not_heard_of_a_revocation_gives_no_good_index_to_the_old_key(app) {
        let other = app.second_instance().await;
        let (before, alice) = (client_token(&other).await, other.log_in().await);
        let secret = app.client("late", &[API], &[GrantType::ClientCredentials], None).await.unwrap();
        other.synchronise().await;
        app.admin().revoke_key(&kid(&before)).await.unwrap();

        let late = client_token(&other).await;
        assert_eq!((kid(&late), is_bit_set(&other, &late).await), (kid(&before), true));
        let form = [("grant_type", "client_credentials")];
        let refused = other.post_as("/oauth2/token", ("late", &secret), &form).await;
        refused.refused(503, "temporarily_unavailable");
        let bob = other.log_in().await;
        assert!(!is_bit_set(&other, &bob.access_token).await, "it would be set as long as the grant lives");

        other.synchronise().await;
        assert_eq!(standing(&other, &client_token(&other).await).await, GOOD);
        other.post_as("/oauth2/token", ("late", &secret), &form).await.tokens();
        for tokens in [alice, bob] {
            assert_eq!(standing(&other, &other.refresh(tokens.refresh()).await.tokens().access_token).await, GOOD);
        }
    }

    async fn revoking_and_rotating_at_the_same_instant_leave_one_key_that_signs(app) {
        let other = app.second_instance().await;
        let first = kid(&client_token(&app).await);
        app.advance(89 * 86_400);
        let (here, there) = (app.admin(), other.admin());
        let (revoked, twice, staged, maintained) = tokio::join!(
            here.revoke_key(&first),
            there.revoke_key(&first),
            there.rotate_keys(None, Activation::Published),
            app.provider.keys.maintain(),
        );
        staged.unwrap();
        maintained.unwrap();
        let refused = [revoked, twice].into_iter().filter(Result::is_err).count();
        assert_eq!(refused, 1, "one of them finds it revoked");
        app.synchronise().await;
        other.synchronise().await;
        assert_eq!(kids(&app).await, kids(&other).await);
        assert_eq!(kid(&client_token(&app).await), kid(&client_token(&other).await));
        let keys = app.admin().signing_keys().await.unwrap().view;
        let count = |state| keys.iter().filter(|key| key.state == state).count();
        assert_eq!((count("revoked"), count("signing"), count("verifying")), (1, 1, 0), "{keys:?}");
        assert!(count("published") <= 1, "{keys:?}");
    }

    async fn grants_that_are_made_while_a_key_is_revoked_have_clean_indexes(app) {
        let other = app.second_instance().await;
        let first = kid(&client_token(&app).await);
        let log_in = async || {
            let mut made = Vec::new();
            for _ in 0..12 {
                made.push(other.log_in().await);
            }
            made
        };
        let here = app.admin();
        let revoke = async {
            // Amid the logins.
            tokio::task::yield_now().await;
            client_token(&app).await;
            here.revoke_key(&first).await.unwrap()
        };
        let (one, two, _) = tokio::join!(log_in(), log_in(), revoke);
        app.synchronise().await;
        other.synchronise().await;
        for tokens in one.into_iter().chain(two) {
            let refreshed = app.refresh(tokens.refresh()).await.tokens();
            assert_eq!(standing(&app, &refreshed.access_token).await, GOOD);
        }
    }

    async fn a_grant_that_is_being_added_meanwhile_is_moved_too(app) {
        // SQLite has one writer at a time.
        let DatabaseUrl::Postgres(url) = &app.config.database_url else { return };
        let first = kid(&app.log_in().await.access_token);
        let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
        let io = tokio::spawn(io);
        let add = "BEGIN; INSERT INTO grants (id, client_id, user_id, audiences, scope, generation, created_at,
                idle_expires_at, expires_at, status_list_id, status_index)
            SELECT '00000000-0000-7000-8000-000000000001', client_id, user_id, audiences, scope, generation, created_at,
                idle_expires_at, expires_at, status_list_id, status_index # 1 FROM grants";
        client.batch_execute(add).await.unwrap();
        let (here, revoked) = (app.admin(), std::cell::Cell::new(false));
        let revoke = async {
            let done = here.revoke_key(&first).await.unwrap();
            revoked.set(true);
            done
        };
        let commit = async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'grants'::regclass AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            while !revoked.get() && client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
            client.batch_execute("COMMIT").await.unwrap();
        };
        let (done, ()) = tokio::join!(revoke, commit);
        assert_eq!(done.view.grants, 2);
        let dead = "SELECT count(*) FROM grants JOIN revocations ON revocations.status_list_id = grants.status_list_id
            AND status_index BETWEEN revocations.first_index AND last_index";
        assert_eq!(client.query_one(dead, &[]).await.unwrap().get::<_, i64>(0), 0);
        io.abort();
    }

    async fn a_shorter_retention_strands_no_token_that_is_out(app) {
        let change = |key_retention, lifetime| SettingsChange {
            key_retention: Some(key_retention),
            access_token_lifetime: Some(lifetime),
            ..SettingsChange::default()
        };
        app.admin().change_settings(change(7260, 7200)).await.unwrap();
        app.synchronise().await;
        let (token, alice) = (client_token(&app).await, app.log_in().await);
        app.advance(1);
        let done = app.admin().change_settings(change(660, 600)).await.unwrap();
        assert!(done.notes.iter().any(|note| note.contains("are kept for 1d 1h, as before")), "{:?}", done.notes);
        app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        app.post("/oauth2/revoke", &[("token", alice.refresh())]).await;
        app.synchronise().await;
        let introspected: Value = app.introspect(&token).await;
        app.advance(introspected["exp"].as_i64().unwrap() - app.clock.now().timestamp() - 1);
        app.provider.keys.maintain().await.unwrap();
        app.provider.keys.reload().await.unwrap();
        assert_eq!(standing(&app, &token).await, GOOD);
        assert_eq!(kids(&app).await.len(), 2);
    }
}
