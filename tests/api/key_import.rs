//! Moving keys between issuers: what one signed verifies at the other, and what the other signs verifies everywhere.

use serde_json::{Value, json};
use signet::admin::Error;
use signet::keys::import::{ImportedKey, Stated, read};
use signet::keys::{Activation, Role};
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;
use signet::secret::{Secret, SecretBytes};

use crate::on_both;
use crate::support::app::{App, Backend, claims, header};

const KID: &str = "former/ec=key";
const PASSPHRASE: &str = "correct horse battery staple";
const FORM: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The P-256 test key, whose file names its kid.
fn former_key() -> ImportedKey {
    read(&SecretBytes::new(file("test-p256.jwks.json")), Stated::default()).unwrap()
}

/// A token as the former issuer would have signed it.
fn signed_by_former_key(claims: &Value) -> String {
    let header = jsonwebtoken::Header {
        typ: Some("at+jwt".to_owned()),
        kid: Some(KID.to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
    };
    let key = jsonwebtoken::EncodingKey::from_ec_pem(&file("test-p256.pkcs8.pem")).unwrap();
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

async fn jwks(app: &App) -> jsonwebtoken::jwk::JwkSet {
    serde_json::from_value(app.get("/.well-known/jwks.json").await.json()).unwrap()
}

async fn states(app: &App) -> Vec<(String, String)> {
    let keys = app.admin().signing_keys().await.unwrap();
    keys.view.into_iter().map(|key| (key.kid, key.state)).collect()
}

async fn state(app: &App, kid: &str) -> Option<String> {
    states(app).await.into_iter().find_map(|(other, state)| (other == kid).then_some(state))
}

/// The kid of the key that a verifier, which knows nothing but the key set, finds to have signed the token.
async fn verified_kid(app: &App, token: &str) -> String {
    let kid = header(token)["kid"].as_str().unwrap().to_owned();
    let set = jwks(app).await;
    let jwk = set.find(&kid).expect("a published key");
    let algorithm: jsonwebtoken::Algorithm = jwk.common.key_algorithm.unwrap().to_string().parse().unwrap();
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, &jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
    kid
}

on_both! {
    async fn a_token_of_the_former_issuer_holds_once_its_key_is_imported_to_verify(app) {
        let own = app.log_in().await;
        let signing = header(&own.access_token)["kid"].as_str().unwrap().to_owned();
        let token = signed_by_former_key(&own.claims());
        assert!(!app.is_active(&token).await, "nobody knows its key");
        let done = app.admin().import_key(&former_key(), Some(Role::Verifying)).await.unwrap();
        assert_eq!((done.view.kid.as_str(), done.view.state.as_str()), (KID, "verifying"));
        assert!(done.notes[0].contains("1d 1h from now on (key_retention)"), "{:?}", done.notes);
        app.synchronise().await;
        assert!(app.is_active(&token).await);
        assert_eq!(verified_kid(&app, &token).await, KID);
        let next = app.log_in().await.access_token;
        assert_eq!(header(&next)["kid"], signing.as_str(), "what signs did not change");
    }

    async fn a_key_imported_to_verify_leaves_the_key_set_after_the_retention_however_old_the_signing_key_is(app) {
        let signing = states(&app).await[0].0.clone();
        app.advance(30 * 86_400);
        app.admin().import_key(&former_key(), Some(Role::Verifying)).await.unwrap();
        let retention = app.admin().settings().await.unwrap().key_retention;
        app.advance(retention - 1);
        app.synchronise().await;
        assert!(jwks(&app).await.find(KID).is_some());
        assert_eq!(state(&app, &signing).await.unwrap(), "signing");
        app.advance(1);
        assert!(jwks(&app).await.find(KID).is_none());
        app.provider.keys.maintain().await.unwrap();
        assert_eq!(state(&app, KID).await, None, "purged");
        assert_eq!(state(&app, &signing).await.unwrap(), "signing");
    }

    async fn a_key_imported_to_sign_signs_at_once_and_what_signed_before_still_verifies(app) {
        let before = app.token(&FORM).await.tokens().access_token;
        let done = app.admin().import_key(&former_key(), Some(Role::Signing)).await.unwrap();
        assert_eq!(done.view.state, "signing");
        assert!(done.notes[0].contains("(jwks_max_age)"), "{:?}", done.notes);
        app.synchronise().await;
        let after = app.token(&FORM).await.tokens().access_token;
        assert_eq!(verified_kid(&app, &after).await, KID);
        assert_ne!(verified_kid(&app, &before).await, KID);
        for token in [&before, &after, &signed_by_former_key(&claims(&after))] {
            assert!(app.is_active(token).await);
        }
    }

    async fn a_key_imported_at_the_moment_at_which_another_starts_signs_after_it(app) {
        let stated = Stated { kid: Some("!".to_owned()), ..Stated::default() };
        let first_by_kid = read(&SecretBytes::new(file("test-p256.pkcs8.pem")), stated).unwrap();
        app.admin().import_key(&first_by_kid, Some(Role::Signing)).await.unwrap();
        app.clock.advance(chrono::Duration::microseconds(1));
        assert_eq!(state(&app, "!").await.unwrap(), "signing");
    }

    async fn a_staged_successor_follows_the_imported_key_at_its_time(app) {
        let staged = app.provider.keys.rotate(Activation::Published, &signet::store::audit_events::Author::signet()).await.unwrap().remove(0);
        app.admin().import_key(&former_key(), Some(Role::Signing)).await.unwrap();
        assert_eq!(state(&app, &staged.kid).await.unwrap(), "published");
        app.clock.advance(staged.active_at - app.clock.now());
        assert_eq!(state(&app, &staged.kid).await.unwrap(), "signing");
        assert_eq!(state(&app, KID).await.unwrap(), "verifying");
    }

    async fn a_key_that_signs_is_replaced_only_where_that_is_said(app) {
        let before = states(&app).await;
        let refused = app.admin().import_key(&former_key(), None).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)) && refused.to_string().contains(&before[0].0), "{refused}");
        assert_eq!(states(&app).await, before);
        let ed = read(&SecretBytes::new(file("test-ed25519.jwk.json")), Stated::default()).unwrap();
        let done = app.admin().import_key(&ed, None).await.unwrap();
        assert_eq!(done.view.state, "signing", "nothing is signed with EdDSA yet");
        assert!(done.notes[0].contains("--signing-algorithm EdDSA"), "{:?}", done.notes);
    }

    async fn the_same_key_or_kid_does_not_come_twice(app) {
        app.admin().import_key(&former_key(), Some(Role::Verifying)).await.unwrap();
        let before = states(&app).await;
        let stated = Stated { kid: Some("another".to_owned()), ..Stated::default() };
        let renamed = read(&SecretBytes::new(file("test-p256.sec1.pem")), stated).unwrap();
        let stated = Stated { kid: Some(KID.to_owned()), ..Stated::default() };
        let namesake = read(&SecretBytes::new(file("test-ed25519.pkcs8.pem")), stated).unwrap();
        for key in [former_key(), renamed, namesake] {
            let refused = app.admin().import_key(&key, Some(Role::Signing)).await.unwrap_err();
            assert!(matches!(&refused, Error::Exists { kind: "key", name } if name == KID), "{refused}");
        }
        assert_eq!(states(&app).await, before);
    }

    async fn a_key_that_only_verifies_is_none_to_sign_with(app) {
        let stated = Stated { kid: Some("former-rsa".to_owned()), ..Stated::default() };
        let rsa = read(&SecretBytes::new(file("test-rsa-2048.pkcs1.pem")), stated).unwrap();
        app.admin().import_key(&rsa, Some(Role::Verifying)).await.unwrap();
        assert_eq!(state(&app, "former-rsa").await.unwrap(), "verifying");
        app.api("https://rsa.example", "read", Algorithm::RS256).await;
        app.client("rsa", &["https://rsa.example"], &[GrantType::ClientCredentials], None).await;
        let keys = app.admin().signing_keys().await.unwrap();
        let signing = keys.view.iter().find(|key| key.alg == Algorithm::RS256 && key.state == "signing").unwrap();
        assert_ne!(signing.kid, "former-rsa");
    }

    async fn a_key_of_each_algorithm_moves_to_another_issuer_and_signs_there(app) {
        let Some(former) = App::start(Backend::Sqlite).await else { return };
        // Both draw from the same seed: other keys than its first ones.
        former.provider.entropy.bytes::<1>();
        for algorithm in Algorithm::ALL {
            let (audience, client) = (format!("https://{algorithm}.example"), format!("client-{algorithm}"));
            let mut tokens = Vec::new();
            former.api(&audience, "read", algorithm).await;
            former.advance(1);
            former.provider.keys.stage(algorithm, Activation::AtOnce, &signet::store::audit_events::Author::signet()).await.unwrap();
            former.synchronise().await;
            app.api(&audience, "read", algorithm).await;
            app.advance(1);
            let secret = former.client(&client, &[&audience], &[GrantType::ClientCredentials], None).await.unwrap();
            tokens.push(former.post_as("/oauth2/token", (&client, &secret), &FORM).await.tokens().access_token);
            let kid = header(&tokens[0])["kid"].as_str().unwrap().to_owned();

            former.advance(1);
            let pem = former.admin().export_private_key(&kid, &Secret::new(PASSPHRASE)).await.unwrap();
            let event = former.newest_event().await;
            assert_eq!((event.action, event.target), ("signing_key.export".to_owned(), format!("signing_key:{kid}")));
            assert_eq!(event.details.0, json!({}));
            let passphrase = Some(Secret::new(PASSPHRASE));
            let stated = Stated { passphrase, kid: Some(kid.clone()), algorithm: Some(algorithm) };
            let key = read(&SecretBytes::new(pem.into_bytes()), stated).unwrap();
            app.admin().import_key(&key, Some(Role::Signing)).await.unwrap();
            let event = app.newest_event().await;
            assert_eq!((event.action, event.target), ("signing_key.import".to_owned(), format!("signing_key:{kid}")));
            assert_eq!(event.details.0, json!({ "alg": algorithm, "state": "signing" }));

            app.synchronise().await;
            let secret = app.client(&client, &[&audience], &[GrantType::ClientCredentials], None).await.unwrap();
            tokens.push(app.post_as("/oauth2/token", (&client, &secret), &FORM).await.tokens().access_token);
            for token in &tokens {
                for issuer in [&app, &former] {
                    assert_eq!(verified_kid(issuer, token).await, kid, "{algorithm}");
                }
            }
        }
    }

    async fn a_private_key_is_not_exported_under_a_short_passphrase_or_an_unknown_kid(app) {
        let kid = states(&app).await[0].0.clone();
        let before = app.newest_event().await;
        let short = app.admin().export_private_key(&kid, &Secret::new("too short")).await.unwrap_err();
        assert!(matches!(short, Error::Invalid { field: "passphrase", .. }), "{short}");
        let unknown = app.admin().export_private_key("nobody's", &Secret::new(PASSPHRASE)).await.unwrap_err();
        assert!(matches!(unknown, Error::NotFound { kind: "key", .. }), "{unknown}");
        assert_eq!(app.newest_event().await, before);
    }
}

#[test]
fn two_imports_of_one_key_at_once_store_it_once() {
    crate::support::app::run(Backend::Postgres, async |app: App| {
        let other = app.second_instance().await;
        let (here, there) = (app.admin(), other.admin());
        let key = former_key();
        let (first, second) =
            tokio::join!(here.import_key(&key, Some(Role::Signing)), there.import_key(&key, Some(Role::Signing)));
        assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|ok| **ok).count(), 1);
        assert_eq!(states(&app).await.iter().filter(|(kid, _)| kid == KID).count(), 1);
    });
}
