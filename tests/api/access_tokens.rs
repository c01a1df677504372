//! What passes as an access token here: only what this issuer signed as one, with every claim that it always writes.

use serde_json::{Value, json};
use signet::keys::Typ;
use signet::protocol::jwk::Algorithm;

use crate::on_both;
use crate::support::app::{API, App, claims, header};

/// Signed by the issuer's own key, whatever it says.
fn signed(app: &App, typ: Typ, claims: &Value) -> String {
    let ring = app.provider.keys.ring();
    ring.signing_key(Algorithm::ES256, app.clock.now()).unwrap().sign_jwt(typ, claims).unwrap()
}

on_both! {
    async fn every_claim_is_required_and_of_the_right_type(app) {
        let good = claims(&app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token);
        assert!(app.is_active(&signed(&app, Typ::AccessToken, &good)).await, "the same again is good");
        for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "status"] {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(name);
            assert!(!app.is_active(&signed(&app, Typ::AccessToken, &without)).await, "without {name}");
            let text = good[name].is_number().then(|| json!(good[name].to_string()));
            for wrong in [Value::Null, json!(true), json!({}), json!([good[name]]), json!(1.5)].into_iter().chain(text) {
                let mut changed = good.clone();
                changed[name] = wrong.clone();
                assert!(!app.is_active(&signed(&app, Typ::AccessToken, &changed)).await, "{name}: {wrong}");
            }
        }
        for (name, wrong) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!("http://127.0.0.1:8443/")),
            ("aud", json!("https://api.example/")),
            ("client_id", json!("ERP")),
            ("exp", json!(app.clock.now().timestamp())),
            ("exp", json!(-1)),
        ] {
            let mut changed = good.clone();
            changed[name] = wrong.clone();
            assert!(!app.is_active(&signed(&app, Typ::AccessToken, &changed)).await, "{name}: {wrong}");
        }
    }

    async fn what_is_signed_as_something_else_is_no_access_token(app) {
        let good = claims(&app.log_in().await.access_token);
        assert!(app.is_active(&signed(&app, Typ::AccessToken, &good)).await);
        let status_list = signed(&app, Typ::StatusList, &good);
        assert_eq!(header(&status_list)["typ"], "statuslist+jwt");
        assert!(!app.is_active(&status_list).await);
        assert_eq!(app.post("/oauth2/revoke", &[("token", &status_list)]).await.status, 200);
        assert!(app.is_active(&signed(&app, Typ::AccessToken, &good)).await, "it does not revoke either");
    }

    async fn a_kid_is_looked_up_in_memory_and_leads_nowhere_else(app) {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let token = app.log_in().await.access_token;
        let (_, rest) = token.split_once('.').unwrap();
        app.introspect("x").await;
        let checkouts = async |token: &str| {
            let before = app.provider.store.checkouts();
            assert!(!app.is_active(token).await);
            app.provider.store.checkouts() - before
        };
        let nothing = checkouts("x").await;
        let long = "k".repeat(5000);
        for kid in ["", "../../../etc/passwd", "' OR '1'='1", "https://evil.example/key", "\\u0000", long.as_str()] {
            let forged = format!("{}.{rest}", encode(&format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#)));
            assert_eq!(checkouts(&forged).await, nothing, "{kid}");
        }
    }

    async fn a_key_of_one_algorithm_verifies_no_token_of_another(app) {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        app.api("https://rsa.example", "read", Algorithm::RS256).await;
        let token = app.log_in().await.access_token;
        let kid = header(&token)["kid"].as_str().unwrap().to_owned();
        let (_, rest) = token.split_once('.').unwrap();
        for alg in ["none", "HS256", "RS256", "EdDSA", "ES384", "es256"] {
            let header = encode(&json!({ "alg": alg, "typ": "at+jwt", "kid": kid }).to_string());
            assert!(!app.is_active(&format!("{header}.{rest}")).await, "{alg}");
        }
        for extra in ["crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc"] {
            let header = encode(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, extra: [] }).to_string());
            assert!(!app.is_active(&format!("{header}.{rest}")).await, "{extra}");
        }
    }

    async fn a_token_says_nothing_about_its_user_but_the_identifier(app) {
        let new = signet::admin::users::NewUser {
            username: "zacharias.quill".to_owned(),
            email: Some("z.quill@mail.example".to_owned()),
            password: signet::secret::Secret::new(crate::support::app::PASSWORD),
        };
        app.admin().create_user(new).await.unwrap();
        let form = [("grant_type", "password"), ("username", "zacharias.quill"), ("password", crate::support::app::PASSWORD)];
        let tokens = app.token(&form).await.tokens();
        let text = tokens.claims().to_string().to_lowercase();
        for known in ["quill", "zacharias", "mail", "argon2", "secret"] {
            assert!(!text.contains(known), "{known}: {text}");
        }
        assert!(tokens.claims()["sub"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    }

    async fn a_key_that_is_withdrawn_takes_its_tokens_along_at_once(app) {
        let token = app.log_in().await;
        let kid = header(&token.access_token)["kid"].as_str().unwrap().to_owned();
        app.sql("UPDATE signing_keys SET revoked_at = created_at").await;
        app.sql("UPDATE revisions SET revision = revision + 1 WHERE topic = 'keys'").await;
        app.provider.keys.maintain().await.unwrap();
        app.synchronise().await;
        assert!(!app.get("/.well-known/jwks.json").await.text.contains(&kid));
        assert!(!app.is_active(&token.access_token).await);
        let next = app.refresh(token.refresh()).await.tokens();
        assert_ne!(header(&next.access_token)["kid"].as_str(), Some(kid.as_str()));
        assert!(app.is_active(&next.access_token).await);
        assert_eq!(next.claims()["aud"], API);
    }
}
