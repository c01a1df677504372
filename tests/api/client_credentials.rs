//! The client-credentials grant.

use std::collections::HashSet;

use signet::admin::clients::NewClient;
use signet::protocol::client::{AuthMethod, GrantType};
use signet::protocol::jwk::Algorithm;

use crate::on_both;
use crate::support::app::{API, header};

on_both! {
    async fn a_client_acts_for_itself_and_gets_no_refresh_token(app) {
        let tokens = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        assert_eq!(tokens.refresh_token, None);
        let claims = tokens.claims();
        assert_eq!((&claims["sub"], &claims["client_id"]), (&"erp".into(), &"erp".into()));
        assert_eq!(claims.get("grant_id"), None);
        assert!(app.is_active(&tokens.access_token).await);
    }

    async fn a_public_client_cannot_act_for_itself(app) {
        let new = NewClient::new("public", &[GrantType::Password, GrantType::RefreshToken], &[API]);
        let new = NewClient { token_endpoint_auth_method: Some(AuthMethod::None), ..new };
        app.admin().create_client(new).await.unwrap();
        let form = [("grant_type", "client_credentials"), ("client_id", "public")];
        app.post_bare("/oauth2/token", &form).await.refused(400, "unauthorized_client");
    }

    async fn every_algorithm_signs_what_its_published_key_verifies(app) {
        for algorithm in Algorithm::ALL {
            let audience = format!("https://{algorithm}.example");
            app.api(&audience, "read", algorithm).await;
            let client = format!("client-{algorithm}");
            let secret =
                app.client(&client, &[&audience], &[GrantType::ClientCredentials], None).await.unwrap();
            let form = [("grant_type", "client_credentials")];
            let tokens = app.post_as("/oauth2/token", (&client, &secret), &form).await.tokens();
            assert_eq!(header(&tokens.access_token)["alg"], algorithm.as_str());
            // A foreign library, with what this issuer publishes.
            let set: jsonwebtoken::jwk::JwkSet =
                serde_json::from_str(&app.get("/.well-known/jwks.json").await.text).unwrap();
            let kid = header(&tokens.access_token)["kid"].as_str().unwrap().to_owned();
            let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
            let mut expected = jsonwebtoken::Validation::new(algorithm.as_str().parse().unwrap());
            expected.set_audience(&[&audience]);
            expected.validate_exp = false;
            jsonwebtoken::decode::<serde_json::Value>(&tokens.access_token, &key, &expected).unwrap();
        }
    }

    async fn each_token_has_an_index_and_an_identifier_of_its_own(app) {
        let other = app.second_instance().await;
        let mut indexes = HashSet::new();
        let mut identifiers = HashSet::new();
        for _ in 0..100 {
            for instance in [&app, &other] {
                let claims = instance.token(&[("grant_type", "client_credentials")]).await.tokens().claims();
                indexes.insert(claims["status"]["status_list"].to_string());
                identifiers.insert(claims["jti"].to_string());
            }
        }
        assert_eq!((indexes.len(), identifiers.len()), (200, 200));
    }

    async fn after_warm_up_neither_tokens_nor_keys_need_the_database(app) {
        app.token(&[("grant_type", "client_credentials")]).await.tokens();
        let before = app.provider.store.checkouts();
        for _ in 0..20 {
            app.token(&[("grant_type", "client_credentials")]).await.tokens();
            assert_eq!(app.get("/.well-known/jwks.json").await.status, 200);
        }
        assert_eq!(app.provider.store.checkouts(), before);
    }
}
