//! Token introspection.

use serde_json::json;
use signet::protocol::client::{AuthMethod, GrantType};

use crate::on_both;
use crate::support::app::{API, ISSUER, OTHER_API, claims};

on_both! {
    async fn an_api_learns_what_a_token_for_it_says(app) {
        let tokens = app.log_in().await;
        let claims = tokens.claims();
        let answer = app.introspect(&tokens.access_token).await;
        assert_eq!(answer, json!({
            "active": true, "scope": "read write", "client_id": "erp", "username": "alice", "token_type": "Bearer",
            "exp": claims["exp"], "iat": claims["iat"], "sub": claims["sub"], "aud": API, "iss": ISSUER,
            "jti": claims["jti"],
        }));
    }

    async fn a_token_for_another_api_is_inactive(app) {
        let tokens = app.log_in().await;
        let done = app.admin().rotate_resource_server_secret(OTHER_API, None).await.unwrap();
        app.synchronise().await;
        let secret = done.client_secret.unwrap();
        let answer =
            app.post_as("/oauth2/introspect", (OTHER_API, secret.expose()), &[("token", &tokens.access_token)]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#));
        assert_eq!(answer.header("cache-control"), "no-store");
    }

    async fn a_client_learns_of_its_own_tokens_only(app) {
        let tokens = app.log_in().await;
        assert_eq!(app.introspect_as_client(&tokens.access_token).await["active"], true);
        let refresh = app.introspect_as_client(tokens.refresh()).await;
        assert_eq!((&refresh["active"], &refresh["token_type"]), (&json!(true), &json!("refresh_token")));
        let secret = app.client("other", &[API], &[GrantType::ClientCredentials], None).await.unwrap();
        for token in [&tokens.access_token, tokens.refresh()] {
            let answer = app.post_as("/oauth2/introspect", ("other", &secret), &[("token", token)]).await;
            assert_eq!(answer.text, r#"{"active":false}"#);
        }
    }

    async fn a_refresh_token_is_no_business_of_an_api(app) {
        let tokens = app.log_in().await;
        assert_eq!(app.introspect(tokens.refresh()).await, json!({"active": false}));
    }

    async fn a_used_refresh_token_is_inactive(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        assert_eq!(app.introspect_as_client(first.refresh()).await, json!({"active": false}));
        assert_eq!(app.introspect_as_client(second.refresh()).await["active"], true);
    }

    async fn an_introspection_is_one_statement_whoever_asks(app) {
        let tokens = app.log_in().await;
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        let all = async || {
            for token in [&tokens.access_token, &own.access_token] {
                assert_eq!(app.introspect(token).await["active"], true);
                assert_eq!(app.introspect_as_client(token).await["active"], true);
            }
        };
        all().await;
        let before = app.provider.store.checkouts();
        all().await;
        assert_eq!(app.provider.store.checkouts(), before + 4);
    }

    async fn a_wrong_hint_still_finds(app) {
        let tokens = app.log_in().await;
        let form = [("token", tokens.access_token.as_str()), ("token_type_hint", "refresh_token")];
        assert_eq!(app.post("/oauth2/introspect", &form).await.json()["active"], true);
    }

    async fn expired_truncated_padded_and_forged_tokens_are_inactive(app) {
        let token = app.log_in().await.access_token;
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut parts = token.split('.');
        let (header, payload) = (parts.next().unwrap(), parts.next().unwrap());
        for bad in [
            &token[..token.len() - 1], &format!("{token}="), &format!("{token}A"), signed, &format!("{signed}."),
            &token.to_lowercase(), &format!("{token}.x"), &format!("eyJhbGciOiJub25lIn0.{payload}."),
            &format!("{header}.{payload}.{}", "A".repeat(signature.len())), &token.replacen('.', "..", 1), "x", "a.b.c",
        ] {
            assert_eq!(app.introspect(bad).await, json!({"active": false}), "{bad}");
        }
        app.advance(599);
        assert!(app.is_active(&token).await);
        app.advance(1);
        assert!(!app.is_active(&token).await);
    }

    async fn a_caller_must_prove_who_it_is(app) {
        let tokens = app.log_in().await;
        let form = [("token", tokens.access_token.as_str())];
        app.post_bare("/oauth2/introspect", &form).await.refused(401, "invalid_client");
        app.post_as("/oauth2/introspect", (API, "wrong"), &form).await.refused(401, "invalid_client");
        app.post_bare("/oauth2/introspect", &[form[0], ("client_id", API)]).await.refused(401, "invalid_client");
        let bearer = app.http.post(format!("{}/oauth2/introspect", app.base)).bearer_auth(&tokens.access_token);
        crate::support::app::Answer::of(bearer.form(&form)).await.refused(401, "invalid_client");
        let grants = [GrantType::Password, GrantType::RefreshToken];
        app.client("spa", &[API], &grants, Some(AuthMethod::None)).await;
        app.post_bare("/oauth2/introspect", &[form[0], ("client_id", "spa")]).await.refused(401, "invalid_client");
    }

    async fn without_a_token_there_is_nothing_to_introspect(app) {
        app.post("/oauth2/introspect", &[]).await.refused(400, "invalid_request");
        app.post("/oauth2/introspect", &[("token", "")]).await.refused(400, "invalid_request");
    }

    async fn the_subject_of_a_client_is_never_a_users(app) {
        let user = app.log_in().await.claims()["sub"].as_str().unwrap().to_owned();
        let new = signet::admin::clients::NewClient::new(user, &[GrantType::ClientCredentials], &[API]);
        app.admin().create_client(new).await.unwrap_err();
    }

    async fn a_token_of_another_issuer_is_inactive(app) {
        let Some(other) = crate::support::app::App::start(crate::support::app::Backend::Sqlite).await else { return };
        let foreign = other.log_in().await.access_token;
        assert_eq!(claims(&foreign)["iss"], ISSUER, "the same name, another key");
        assert_eq!(app.introspect(&foreign).await, json!({"active": false}));
    }
}
