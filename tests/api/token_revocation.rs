//! Revoking what was issued: one token, or all of a user, of a client, or of some time.

use chrono::{DateTime, Duration, Utc};
use signet::admin::settings::SettingsChange;
use signet::admin::token_revocation::{Issued, RevokedTokens};
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;
use signet::secret::Secret;

use crate::on_both;
use crate::support::app::{API, App, Backend, ISSUER, PASSWORD, Tokens};

const MINUTE: i64 = 60;

fn between(from: DateTime<Utc>, until: DateTime<Utc>) -> Issued {
    Issued { from: Some(from), until: Some(until), ..Issued::default() }
}

async fn own(app: &App) -> Tokens {
    app.token(&[("grant_type", "client_credentials")]).await.tokens()
}

async fn is_alive(app: &App, tokens: &Tokens) -> bool {
    app.refresh(tokens.refresh()).await.status == 200
}

/// How many ranges were written down.
async fn ranges(app: &App) -> usize {
    let mut connection = app.provider.store.reading().await.unwrap();
    let now = app.clock.now();
    let mut ranges = 0;
    signet::store::status::revocations_behind(&mut connection, (-1, now), |_| ranges += 1).await.unwrap();
    ranges
}

on_both! {
    async fn what_was_issued_in_a_window_ends_and_what_was_not_lives(app) {
        let before = app.log_in().await;
        app.advance(20 * MINUTE);
        let (begun, from) = (app.log_in().await, app.clock.now());
        app.advance(10 * MINUTE);
        let before_refreshed = app.refresh(before.refresh()).await.tokens();
        let (ended, until) = (app.log_in().await, app.clock.now());
        app.advance(20 * MINUTE);
        let after = app.log_in().await;
        let done = app.admin().revoke_issued(&between(from, until)).await.unwrap();
        assert_eq!(done.view, RevokedTokens { grants: 3, client_tokens_at_most: 0 });
        for tokens in [&begun, &ended, &before_refreshed] {
            assert!(!app.is_active(&tokens.access_token).await);
            assert!(!is_alive(&app, tokens).await);
        }
        assert!(app.is_active(&after.access_token).await && is_alive(&app, &after).await);
        let event = app.newest_event().await;
        assert_eq!((event.action.as_str(), event.target.as_str()), ("token.revoke", "tokens"));
        assert_eq!(event.details.0["grants_revoked"], 3);
    }

    async fn a_session_that_got_nothing_in_the_window_lives(app) {
        let idle = app.log_in().await;
        app.advance(20 * MINUTE);
        let from = app.clock.now();
        app.advance(MINUTE);
        let done = app.admin().revoke_issued(&between(from, app.clock.now())).await.unwrap();
        assert_eq!(done.view.grants, 0);
        assert!(is_alive(&app, &idle).await);
        // Now it has got something in it.
        let done = app.admin().revoke_issued(&between(from, app.clock.now())).await.unwrap();
        assert_eq!(done.view.grants, 1);
    }

    async fn a_clients_tokens_end_and_it_goes_on_with_new_ones(app) {
        let (users, first) = (app.log_in().await, own(&app).await);
        let other = app.second_instance().await;
        let elsewhere = own(&other).await;
        let issued = Issued { client_id: Some("erp".to_owned()), ..Issued::default() };
        assert_eq!(app.admin().plan_revocation(&issued).await.unwrap(), RevokedTokens { grants: 1, client_tokens_at_most: 128 });
        assert!(app.is_active(&first.access_token).await, "a plan ends nothing");
        let done = app.admin().revoke_issued(&issued).await.unwrap();
        assert_eq!(done.view, RevokedTokens { grants: 1, client_tokens_at_most: 128 });
        for instance in [&app, &other] {
            instance.synchronise().await;
            for tokens in [&users, &first, &elsewhere] {
                assert!(!instance.is_active(&tokens.access_token).await);
            }
            assert!(instance.is_active(&own(instance).await.access_token).await, "from a block that is not revoked");
        }
        assert!(is_alive(&app, &app.log_in().await).await);
    }

    async fn only_blocks_of_the_window_end(app) {
        let change = SettingsChange { access_token_lifetime: Some(86_400), ..SettingsChange::default() };
        app.admin().change_settings(change).await.unwrap();
        app.synchronise().await;
        let first = own(&app).await;
        app.advance(7 * 3600);
        let (from, second) = (app.clock.now(), own(&app).await);
        app.advance(10 * MINUTE);
        let until = app.clock.now();
        app.advance(7 * 3600);
        let third = own(&app).await;
        let done = app.admin().revoke_issued(&between(from, until)).await.unwrap();
        assert_eq!(done.view.client_tokens_at_most, 64);
        assert_eq!(done.notes.len(), 1, "{:?}", done.notes);
        let alive = [&first, &second, &third].map(|tokens| tokens.access_token.clone());
        let mut active = Vec::new();
        for token in alive {
            active.push(app.is_active(&token).await);
        }
        assert_eq!(active, [true, false, true]);
    }

    async fn a_user_at_a_client_is_the_grants_of_both(app) {
        app.user("bob").await;
        let secret = app.client("crm", &[API], GrantType::ALL, None).await.unwrap();
        let form = |name| [("grant_type", "password"), ("username", name), ("password", PASSWORD)];
        let alice_at_erp = app.log_in().await;
        let alice_at_crm = app.post_as("/oauth2/token", ("crm", &secret), &form("alice")).await.tokens();
        let bob_at_erp = app.token(&form("bob")).await.tokens();
        let own = own(&app).await;
        let issued = Issued { username: Some("Alice".to_owned()), client_id: Some("erp".to_owned()), ..Issued::default() };
        let done = app.admin().revoke_issued(&issued).await.unwrap();
        assert_eq!(done.view, RevokedTokens { grants: 1, client_tokens_at_most: 0 });
        assert!(!app.is_active(&alice_at_erp.access_token).await);
        for tokens in [&alice_at_crm, &bob_at_erp, &own] {
            assert!(app.is_active(&tokens.access_token).await);
        }
    }

    async fn one_token_ends_with_its_grant_or_alone(app) {
        let (one, two, first, second) = (app.log_in().await, app.log_in().await, own(&app).await, own(&app).await);
        app.advance(1);
        let revoke = async |token: &str| app.admin().revoke_presented(&app.provider, &Secret::new(token)).await;
        revoke(one.refresh()).await.unwrap();
        revoke(&two.access_token).await.unwrap();
        revoke(&first.access_token).await.unwrap();
        assert_eq!(app.newest_event().await.action, "token.revoke");
        for tokens in [&one, &two, &first] {
            assert!(!app.is_active(&tokens.access_token).await);
        }
        assert!(app.is_active(&second.access_token).await);
        for strange in ["", "sgr_AAAA", "a.b.c", &format!("{}x", one.access_token)] {
            let refused = revoke(strange).await.unwrap_err().to_string();
            assert!(refused.contains("none that this issuer made"), "{refused}");
        }
    }

    async fn what_is_not_named_or_contradicts_is_refused_and_ends_nothing(app) {
        let tokens = app.log_in().await;
        let now = app.clock.now();
        let refused = async |issued: Issued| app.admin().revoke_issued(&issued).await.unwrap_err().to_string();
        assert!(refused(Issued::default()).await.contains("must be named"));
        assert!(refused(Issued { username: Some("nobody".into()), ..Issued::default() }).await.contains("nobody"));
        assert!(refused(Issued { client_id: Some("no".into()), ..Issued::default() }).await.contains("no client no"));
        assert!(refused(between(now, now - Duration::seconds(1))).await.contains("lies before"));
        assert!(refused(between(now + Duration::seconds(1), now + Duration::days(1))).await.contains("lies ahead"));
        assert!(is_alive(&app, &tokens).await);
    }

    async fn a_window_of_many_grants_is_a_few_ranges(app) {
        app.api("https://es.example", "read", Algorithm::ES256).await;
        let kept = app.log_in().await;
        app.advance(10 * MINUTE);
        let from = app.clock.now();
        let last = app.log_in().await;
        let id = if app.backend() == Backend::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        let grant = signet::store::grants::Selection::default();
        let grants = signet::store::grants::list(
            &mut app.provider.store.reading().await.unwrap(), grant, uuid::Uuid::nil(), 10,
        ).await.unwrap();
        let newest = grants.iter().max_by_key(|grant| grant.created_at).unwrap().status_index;
        app.sql(&format!(
            "INSERT INTO grants (id, client_id, user_id, audiences, scope, generation, created_at, idle_expires_at, expires_at,
                status_list_id, status_index)
             WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 5000)
             SELECT {id}, client_id, user_id, audiences, scope, generation, created_at, idle_expires_at, expires_at,
                status_list_id, 1000 + number FROM grants, numbers WHERE status_index = {newest}"
        )).await;
        let done = app.admin().revoke_issued(&between(from, app.clock.now())).await.unwrap();
        assert_eq!(done.view.grants, 5001);
        assert_eq!(ranges(&app).await, 2, "the block, and the one that lies apart");
        assert!(!is_alive(&app, &last).await && is_alive(&app, &kept).await);
        app.synchronise().await;
        app.advance(1);
        assert!(app.get("/status-lists/1").await.text.len() < 2000, "{ISSUER} publishes 5001 bits");
    }
}
