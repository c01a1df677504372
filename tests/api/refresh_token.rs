//! The refresh-token grant: rotation, the retry window, reuse, races, lifetimes, bounds.

use std::collections::HashSet;

use signet::protocol::client::GrantType;

use crate::on_both;
use crate::support::app::{API, App, OTHER_API, claims};

/// `count` requests with the same refresh token at once, over as many connections.
async fn at_once(app: &App, token: &str, count: usize) -> Vec<crate::support::app::Answer> {
    futures_util::future::join_all((0..count).map(|_| app.refresh(token))).await
}

on_both! {
    async fn a_refresh_gives_a_new_pair_of_the_same_grant(app) {
        let first = app.log_in().await;
        app.advance(60);
        let second = app.refresh(first.refresh()).await.tokens();
        assert_ne!(second.refresh(), first.refresh());
        assert_ne!(second.access_token, first.access_token);
        for claim in ["iss", "sub", "aud", "client_id", "scope", "grant_id", "status"] {
            assert_eq!(second.claims()[claim], first.claims()[claim], "{claim}");
        }
        assert_ne!(second.claims()["jti"], first.claims()["jti"]);
        assert!(app.is_active(&second.access_token).await);
    }

    async fn twenty_parallel_redemptions_give_one_lineage_and_the_same_successor(app) {
        let first = app.log_in().await;
        let answers = at_once(&app, first.refresh(), 20).await;
        let successors: HashSet<String> =
            answers.iter().map(|answer| answer.tokens().refresh().to_owned()).collect();
        assert_eq!(successors.len(), 1);
        let successor = successors.into_iter().next().unwrap();
        app.advance(31);
        // One lineage: the successor is the newest token there is.
        app.refresh(&successor).await.tokens();
    }

    async fn twenty_parallel_redemptions_on_two_instances_give_the_same_successor(app) {
        let first = app.log_in().await;
        let other = app.second_instance().await;
        let (here, there) = tokio::join!(at_once(&app, first.refresh(), 10), at_once(&other, first.refresh(), 10));
        let successors: HashSet<String> =
            here.iter().chain(&there).map(|answer| answer.tokens().refresh().to_owned()).collect();
        assert_eq!(successors.len(), 1);
    }

    async fn a_retry_within_the_window_gets_the_same_successor(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        app.advance(29);
        let again = app.refresh(first.refresh()).await.tokens();
        assert_eq!(again.refresh(), second.refresh());
        assert_ne!(again.access_token, second.access_token);
        assert!(app.is_active(&again.access_token).await);
    }

    async fn replaying_a_refresh_token_revokes_its_grant(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        app.advance(30);
        app.refresh(first.refresh()).await.refused(400, "invalid_grant");
        app.refresh(second.refresh()).await.refused(400, "invalid_grant");
        assert!(!app.is_active(&second.access_token).await);
        assert!(!app.is_active(&first.access_token).await);
    }

    async fn the_window_closes_as_soon_as_the_successor_is_used(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        let third = app.refresh(second.refresh()).await.tokens();
        app.refresh(first.refresh()).await.refused(400, "invalid_grant");
        app.refresh(third.refresh()).await.refused(400, "invalid_grant");
    }

    async fn twenty_parallel_replays_leave_nothing_alive(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        app.advance(31);
        for answer in at_once(&app, first.refresh(), 20).await {
            answer.refused(400, "invalid_grant");
        }
        app.refresh(second.refresh()).await.refused(400, "invalid_grant");
    }

    async fn a_revocation_that_races_with_refreshes_leaves_nothing_alive(app) {
        for _ in 0..5 {
            let first = app.log_in().await;
            let revocation = [("token", first.refresh())];
            let (answers, revoked) =
                tokio::join!(at_once(&app, first.refresh(), 4), app.post("/oauth2/revoke", &revocation));
            assert_eq!(revoked.status, 200);
            for answer in answers.iter().filter(|answer| answer.status == 200) {
                let tokens = answer.tokens();
                assert!(!app.is_active(&tokens.access_token).await);
                app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
            }
        }
    }

    async fn an_idle_grant_expires_and_a_refresh_keeps_it(app) {
        let mut tokens = app.log_in().await;
        let day = 86_400;
        for _ in 0..3 {
            app.advance(13 * day);
            tokens = app.refresh(tokens.refresh()).await.tokens();
        }
        app.advance(14 * day);
        app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
    }

    async fn rotation_does_not_extend_the_absolute_lifetime(app) {
        let mut tokens = app.log_in().await;
        let day = 86_400;
        for _ in 0..8 {
            app.advance(10 * day);
            tokens = app.refresh(tokens.refresh()).await.tokens();
        }
        app.advance(10 * day - 60);
        tokens = app.refresh(tokens.refresh()).await.tokens();
        assert_eq!(tokens.body["expires_in"], 60, "no access token outlives its grant");
        app.advance(61);
        app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
    }

    async fn another_clients_refresh_token_is_invalid_and_unharmed(app) {
        let tokens = app.log_in().await;
        let secret = app.client("other", &[API], GrantType::ALL, None).await.unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
        app.post_as("/oauth2/token", ("other", &secret), &form).await.refused(400, "invalid_grant");
        app.refresh(tokens.refresh()).await.tokens();
    }

    async fn a_failed_client_authentication_does_not_consume_the_token(app) {
        let tokens = app.log_in().await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
        app.post_as("/oauth2/token", ("erp", "wrong"), &form).await.refused(401, "invalid_client");
        app.advance(31);
        app.refresh(tokens.refresh()).await.tokens();
    }

    async fn scope_may_shrink_and_a_request_beyond_it_does_not_consume_the_token(app) {
        let form = [
            ("grant_type", "password"), ("username", "alice"),
            ("password", crate::support::app::PASSWORD), ("scope", "read"),
        ];
        let first = app.token(&form).await.tokens();
        assert_eq!(first.body["scope"], "read");
        let refresh = |scope| {
            let form = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("scope", scope)];
            let app = &app;
            async move { app.token(&form).await }
        };
        refresh("read write").await.refused(400, "invalid_scope");
        refresh("unknown").await.refused(400, "invalid_scope");
        app.advance(31);
        assert_eq!(refresh("read").await.tokens().body["scope"], "read");
    }

    async fn a_narrowed_refresh_does_not_narrow_the_grant(app) {
        let first = app.log_in().await;
        let narrow = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("scope", "read")];
        let second = app.token(&narrow).await.tokens();
        assert_eq!(second.body["scope"], "read");
        let third = app.refresh(second.refresh()).await.tokens();
        assert_eq!(third.body["scope"], "read write");
    }

    async fn resource_chooses_among_the_audiences_of_the_grant(app) {
        let first = app.log_in().await;
        assert_eq!(first.claims()["aud"], API);
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("resource", OTHER_API)];
        let second = app.token(&form).await.tokens();
        assert_eq!(second.claims()["aud"], OTHER_API);
        assert_eq!(second.body["scope"], "read");
        let form = [
            ("grant_type", "refresh_token"), ("refresh_token", second.refresh()),
            ("resource", "https://third.example"),
        ];
        app.token(&form).await.refused(400, "invalid_target");
        app.advance(31);
        app.refresh(second.refresh()).await.tokens();
    }

    async fn what_was_taken_from_the_client_is_gone_from_its_next_token(app) {
        let tokens = app.log_in().await;
        let change = signet::admin::clients::ClientChange {
            scope: Some("read".parse().unwrap()),
            ..Default::default()
        };
        app.admin().update_client("erp", change).await.unwrap();
        app.synchronise().await;
        assert_eq!(app.refresh(tokens.refresh()).await.tokens().body["scope"], "read");
    }

    async fn a_disabled_api_gets_no_tokens_and_costs_no_session(app) {
        let tokens = app.log_in().await;
        app.admin().disable_resource_server(API).await.unwrap();
        app.synchronise().await;
        app.refresh(tokens.refresh()).await.refused(400, "invalid_target");
        assert_eq!(app.introspect_as_client(&tokens.access_token).await["active"], false);
        app.admin().enable_resource_server(API).await.unwrap();
        app.synchronise().await;
        app.advance(3600);
        app.refresh(tokens.refresh()).await.tokens();
    }

    async fn a_session_lives_on_when_the_database_lost_its_newest_rotation(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        let third = app.refresh(second.refresh()).await.tokens();
        // As after a failover to a standby that had not received the last two rotations.
        app.sql("UPDATE grants SET generation = 1").await;
        app.advance(31);
        let fourth = app.refresh(third.refresh()).await.tokens();
        app.advance(31);
        app.refresh(second.refresh()).await.refused(400, "invalid_grant");
        app.refresh(fourth.refresh()).await.refused(400, "invalid_grant");
    }

    async fn a_used_token_is_told_in_the_audit_trail(app) {
        let first = app.log_in().await;
        app.refresh(first.refresh()).await.tokens();
        app.advance(31);
        app.refresh(first.refresh()).await.refused(400, "invalid_grant");
        let event = app.newest_event().await;
        assert_eq!((event.action.as_str(), event.actor.as_str()), ("refresh_token.replayed", "client:erp"));
        assert_eq!(event.target, format!("grant:{}", claims(&first.access_token)["grant_id"].as_str().unwrap()));
        assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
    }

    async fn one_grant_is_one_row_however_often_it_is_refreshed(app) {
        let mut tokens = app.log_in().await;
        for _ in 0..30 {
            tokens = app.refresh(tokens.refresh()).await.tokens();
        }
        let grants = app.admin().grants(&Default::default(), true, uuid::Uuid::nil(), 100).await.unwrap();
        assert_eq!(grants.len(), 1);
    }
}
