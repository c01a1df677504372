//! The password grant.

use signet::protocol::client::GrantType;

use crate::on_both;
use crate::support::app::{API, ISSUER, OTHER_API, PASSWORD, header};

on_both! {
    async fn a_login_gives_an_access_token_as_rfc_9068_has_it(app) {
        let tokens = app.log_in().await;
        let kid = app.get("/.well-known/jwks.json").await.json()["keys"][0]["kid"].clone();
        assert_eq!(header(&tokens.access_token), serde_json::json!({"typ": "at+jwt", "alg": "ES256", "kid": kid}));
        let claims = tokens.claims();
        insta::allow_duplicates! { insta::assert_json_snapshot!(claims, {
            ".sub" => "[a user's id]", ".jti" => "[random]", ".grant_id" => "[a grant's id]",
            ".status.status_list.idx" => "[an index]",
        }, @r#"
        {
          "aud": "https://api.example",
          "client_id": "erp",
          "exp": 1767615000,
          "grant_id": "[a grant's id]",
          "iat": 1767614400,
          "iss": "http://127.0.0.1:8443",
          "jti": "[random]",
          "scope": "read write",
          "status": {
            "status_list": {
              "idx": "[an index]",
              "uri": "http://127.0.0.1:8443/status-lists/1"
            }
          },
          "sub": "[a user's id]"
        }
        "#) }
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(tokens.body["token_type"], "Bearer");
        assert_eq!(tokens.body["expires_in"], 600);
        assert!(tokens.refresh().starts_with("sgr_"));
        assert!(tokens.access_token.len() < 4096);
    }

    async fn an_answer_with_tokens_is_not_cached(app) {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let answer = app.token(&form).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("x-request-id").is_empty());
    }

    async fn unknown_user_wrong_password_and_disabled_user_are_answered_alike(app) {
        app.user("bob").await;
        app.admin().disable_user("bob").await.unwrap();
        let log_in = |username: &'static str, password: &'static str| {
            let app = &app;
            async move {
                app.token(&[("grant_type", "password"), ("username", username), ("password", password)]).await
            }
        };
        let computed = || app.provider.passwords.computations();
        let mut answers = Vec::new();
        for (username, password) in
            [("nobody", PASSWORD), ("alice", "wrong"), ("bob", PASSWORD), ("alice", "marble window 47 lanter")]
        {
            let before = computed();
            let answer = log_in(username, password).await;
            answer.refused(400, "invalid_grant");
            assert_eq!(computed() - before, 1, "{username}: each costs one hash");
            let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            answers.push((answer.text, names));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }

    async fn spelling_variants_of_a_name_are_the_same_user(app) {
        for username in ["ALICE", " alice ", "ａｌｉｃｅ"] {
            app.token(&[("grant_type", "password"), ("username", username), ("password", PASSWORD)]).await.tokens();
        }
    }

    async fn the_whole_password_counts(app) {
        for password in [PASSWORD.to_uppercase(), format!("{PASSWORD} "), PASSWORD[..PASSWORD.len() - 1].to_owned(), "x".repeat(4000)] {
            app.token(&[("grant_type", "password"), ("username", "alice"), ("password", &password)])
                .await
                .refused(400, "invalid_grant");
        }
    }

    async fn a_client_that_does_not_list_the_grant_may_not_use_it(app) {
        let secret = app.client("service", &[API], &[GrantType::ClientCredentials], None).await.unwrap();
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let before = app.provider.passwords.computations();
        app.post_as("/oauth2/token", ("service", &secret), &form).await.refused(400, "unauthorized_client");
        assert_eq!(app.provider.passwords.computations(), before, "nothing was hashed for it");
    }

    async fn without_the_refresh_grant_there_is_no_refresh_token(app) {
        let secret = app.client("short", &[API], &[GrantType::Password], None).await.unwrap();
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let tokens = app.post_as("/oauth2/token", ("short", &secret), &form).await.tokens();
        assert_eq!(tokens.refresh_token, None);
        assert!(app.is_active(&tokens.access_token).await);
    }

    async fn resource_narrows_the_grant_to_one_api(app) {
        let form = [
            ("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("resource", OTHER_API),
        ];
        let tokens = app.token(&form).await.tokens();
        assert_eq!(tokens.claims()["aud"], OTHER_API);
        assert_eq!(tokens.body["scope"], "read");
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", API)];
        app.token(&form).await.refused(400, "invalid_target");
    }

    async fn two_resources_or_an_unknown_one_are_an_invalid_target(app) {
        let base = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let mut two = base.to_vec();
        two.extend([("resource", API), ("resource", OTHER_API)]);
        app.token(&two).await.refused(400, "invalid_target");
        let mut unknown = base.to_vec();
        unknown.push(("resource", "https://unknown.example"));
        app.token(&unknown).await.refused(400, "invalid_target");
    }

    async fn scope_beyond_client_and_api_is_refused_before_anything_is_hashed(app) {
        let before = app.provider.passwords.computations();
        for scope in ["admin", "read admin", "read  write"] {
            let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("scope", scope)];
            app.token(&form).await.refused(400, "invalid_scope");
        }
        assert_eq!(app.provider.passwords.computations(), before);
    }

    async fn the_lifetime_is_the_shortest_that_is_set(app) {
        use signet::admin::Choice;
        use signet::admin::clients::ClientChange;
        use signet::admin::resource_servers::ResourceServerChange;
        let set_client = async |seconds| {
            let change = ClientChange { access_token_lifetime: Some(seconds), ..ClientChange::default() };
            app.admin().update_client("erp", change).await.unwrap();
            app.synchronise().await;
        };
        set_client(Choice::Own(1200)).await;
        assert_eq!(app.log_in().await.body["expires_in"], 600, "the default");
        set_client(Choice::Own(300)).await;
        assert_eq!(app.log_in().await.body["expires_in"], 300, "the client's");
        let change =
            ResourceServerChange { access_token_lifetime: Some(Choice::Own(120)), ..ResourceServerChange::default() };
        app.admin().update_resource_server(API, change).await.unwrap();
        app.synchronise().await;
        assert_eq!(app.log_in().await.body["expires_in"], 120, "the resource server's");
        set_client(Choice::Default).await;
        assert_eq!(app.log_in().await.body["expires_in"], 120);
    }
}
