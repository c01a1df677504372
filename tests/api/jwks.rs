//! The published key set and the metadata, and keys that follow each other as time goes.

use signet::keys::Activation;
use signet::protocol::jwk::Algorithm;

use crate::on_both;
use crate::support::app::{Answer, App, header};

const DAY: i64 = 86_400;

async fn kids(app: &App) -> Vec<String> {
    let keys = app.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn signing_kid(app: &App) -> String {
    let token = app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
    header(&token)["kid"].as_str().unwrap().to_owned()
}

on_both! {
    async fn the_key_set_has_public_members_only(app) {
        for algorithm in Algorithm::ALL {
            app.api(&format!("https://{algorithm}.example"), "read", algorithm).await;
        }
        let answer = app.get("/.well-known/jwks.json").await;
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 4);
        for key in &keys {
            let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            let expected: &[&str] = match key["kty"].as_str().unwrap() {
                "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
                "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
                _ => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(members, expected);
            assert_eq!(key["use"], "sig");
        }
    }

    async fn the_key_set_may_be_kept_and_is_asked_for_again_cheaply(app) {
        let answer = app.get("/.well-known/jwks.json").await;
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let etag = answer.header("etag").to_owned();
        let again = app.http.get(format!("{}/.well-known/jwks.json", app.base)).header("if-none-match", &etag);
        let again = Answer::of(again).await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", etag.as_str()));
        app.admin().keys.rotate(Activation::Published, &signet::store::audit_events::Author::signet()).await.unwrap();
        app.synchronise().await;
        let changed = app.http.get(format!("{}/.well-known/jwks.json", app.base)).header("if-none-match", &etag);
        assert_eq!(Answer::of(changed).await.status, 200);
        let head = app.http.head(format!("{}/.well-known/jwks.json", app.base));
        let head = Answer::of(head).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }

    async fn a_new_key_is_published_a_day_before_it_signs_and_the_old_one_outlives_its_tokens(app) {
        let old = signing_kid(&app).await;
        let token = app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
        let staged = app.provider.keys.rotate(Activation::Published, &signet::store::audit_events::Author::signet()).await.unwrap().remove(0);
        app.synchronise().await;
        assert_eq!(kids(&app).await, [old.clone(), staged.kid.clone()]);
        assert_eq!(signing_kid(&app).await, old);
        assert!(app.is_active(&token).await);
        app.advance(DAY - 1);
        assert_eq!(signing_kid(&app).await, old);
        let last = app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
        app.advance(1);
        assert_eq!(signing_kid(&app).await, staged.kid);
        assert!(app.is_active(&last).await);
        app.advance(25 * 3600 - 1);
        assert_eq!(kids(&app).await, [old, staged.kid.clone()]);
        app.advance(1);
        assert_eq!(kids(&app).await, [staged.kid]);
    }

    async fn rotation_on_schedule_replaces_each_key_once_and_purges_it_in_the_end(app) {
        let first = signing_kid(&app).await;
        let mut seen = vec![first.clone()];
        for _ in 0..400 {
            app.advance(DAY / 2);
            app.provider.keys.maintain().await.unwrap();
            app.synchronise().await;
            let kid = signing_kid(&app).await;
            if seen.last() != Some(&kid) {
                seen.push(kid);
            }
        }
        assert_eq!(seen.len(), 3, "200 days are two intervals of 90");
        assert!(!kids(&app).await.contains(&first));
    }

    async fn two_instances_that_rotate_at_once_make_one_key(app) {
        let other = app.second_instance().await;
        app.advance(89 * DAY);
        let (here, there) = tokio::join!(app.provider.keys.maintain(), other.provider.keys.maintain());
        assert_eq!(here.unwrap().len() + there.unwrap().len(), 1);
        app.synchronise().await;
        other.synchronise().await;
        assert_eq!(kids(&app).await.len(), 2);
        assert_eq!(kids(&app).await, kids(&other).await);
        app.advance(DAY);
        assert_eq!(signing_kid(&app).await, signing_kid(&other).await);
    }

    async fn two_administrators_who_rotate_at_once_stage_one_key(app) {
        let other = app.second_instance().await;
        let (here, there) = (app.admin(), other.admin());
        for activation in [Activation::Published, Activation::AtOnce] {
            let (here, there) = tokio::join!(here.rotate_keys(None, activation), there.rotate_keys(None, activation));
            let (here, there) = (here.unwrap().view.remove(0), there.unwrap().view.remove(0));
            if activation == Activation::Published {
                assert_eq!((here.kid == there.kid, here.new, there.new), (true, !there.new, !here.new));
            }
            app.advance(1);
            app.synchronise().await;
            other.synchronise().await;
            assert_eq!(signing_kid(&app).await, signing_kid(&other).await);
        }
    }

    async fn an_instance_that_was_down_during_a_rotation_signs_with_the_right_key_from_its_first_request(app) {
        let old = signing_kid(&app).await;
        app.advance(88 * DAY);
        assert_eq!(app.provider.keys.maintain().await.unwrap().len(), 1);
        app.advance(3 * DAY);
        let started = app.second_instance().await;
        assert_ne!(signing_kid(&started).await, old);
        app.synchronise().await;
        assert_eq!(signing_kid(&app).await, signing_kid(&started).await);
        assert_eq!(kids(&app).await, kids(&started).await);
    }

    async fn an_instance_that_knows_the_staged_key_needs_nobody_to_switch_to_it(app) {
        let staged = app.provider.keys.rotate(Activation::Published, &signet::store::audit_events::Author::signet()).await.unwrap().remove(0);
        app.synchronise().await;
        let reads = app.provider.store.checkouts();
        app.advance(DAY);
        assert_eq!(kids(&app).await.len(), 2);
        assert_eq!(app.provider.store.checkouts(), reads);
        assert_eq!(signing_kid(&app).await, staged.kid);
    }

    async fn an_instance_whose_clock_is_behind_signs_with_the_first_key(app) {
        app.advance(-50);
        let late = app.second_instance().await;
        assert_eq!(signing_kid(&late).await.len(), 43);
    }

    async fn keys_survive_a_restart(app) {
        let token = app.log_in().await;
        let before = kids(&app).await;
        let restarted = app.second_instance().await;
        assert_eq!(kids(&restarted).await, before);
        assert!(restarted.is_active(&token.access_token).await);
        restarted.refresh(token.refresh()).await.tokens();
    }

    async fn metadata_lists_what_works_at_both_places(app) {
        let answer = app.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.text, app.get("/.well-known/openid-configuration").await.text);
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer.json(), @r#"
        {
          "grant_types_supported": [
            "client_credentials",
            "password",
            "refresh_token"
          ],
          "introspection_endpoint": "http://127.0.0.1:8443/oauth2/introspect",
          "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post"
          ],
          "issuer": "http://127.0.0.1:8443",
          "jwks_uri": "http://127.0.0.1:8443/.well-known/jwks.json",
          "response_types_supported": [],
          "revocation_endpoint": "http://127.0.0.1:8443/oauth2/revoke",
          "revocation_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none"
          ],
          "status_list_aggregation_endpoint": "http://127.0.0.1:8443/status-lists",
          "token_endpoint": "http://127.0.0.1:8443/oauth2/token",
          "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none"
          ]
        }
        "#) }
    }

    async fn an_api_that_changes_its_algorithm_gets_the_new_one_when_verifiers_can_know_the_key(app) {
        use signet::admin::resource_servers::ResourceServerChange;
        let change = ResourceServerChange { signing_algorithm: Some(Algorithm::EdDSA), ..Default::default() };
        app.admin().update_resource_server(crate::support::app::API, change).await.unwrap();
        app.synchronise().await;
        let algorithm = async || {
            let token = app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
            header(&token)["alg"].as_str().unwrap().to_owned()
        };
        assert_eq!(kids(&app).await.len(), 2, "published at once");
        assert_eq!(algorithm().await, "ES256");
        app.advance(DAY - 1);
        assert_eq!(algorithm().await, "ES256");
        app.advance(1);
        assert_eq!(algorithm().await, "EdDSA");
    }

    async fn health_and_readiness(app) {
        assert_eq!(app.get("/healthz").await.status, 200);
        let ready = app.get("/readyz").await;
        let expected = serde_json::json!({"ready": true, "database": true, "signing_key": true});
        assert_eq!((ready.status, ready.json()), (200, expected));
    }
}
