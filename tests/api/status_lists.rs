//! Published status lists: what an API that checks them alone can know.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::on_both;
use crate::support::app::{Answer, App, ISSUER, Tokens, claims, header};

/// The list that a token names, as its document, when it may be made anew.
async fn list_of(app: &App, tokens: &Tokens) -> Answer {
    app.clock.advance(chrono::Duration::milliseconds(250));
    let uri = tokens.claims()["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
    app.get(uri.strip_prefix(ISSUER).unwrap()).await
}

/// The bits of a document whose signature a foreign library has verified with the published key set.
async fn bits(app: &App, document: &str) -> Vec<u8> {
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&app.get("/.well-known/jwks.json").await.text).unwrap();
    let kid = header(document)["kid"].as_str().unwrap().to_owned();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut expected = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    expected.validate_exp = false;
    expected.required_spec_claims.clear();
    let list = jsonwebtoken::decode::<Value>(document, &key, &expected).unwrap().claims;
    let compressed = URL_SAFE_NO_PAD.decode(list["status_list"]["lst"].as_str().unwrap()).unwrap();
    let mut bits = Vec::new();
    flate2::read::ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bits).unwrap();
    bits
}

/// Whether a token is invalid according to its list alone.
pub async fn is_invalid(app: &App, tokens: &Tokens) -> bool {
    let index = tokens.claims()["status"]["status_list"]["idx"].as_u64().unwrap();
    let document = list_of(app, tokens).await;
    assert_eq!(document.status, 200, "{}", document.text);
    let bits = bits(app, &document.text).await;
    bits[usize::try_from(index / 8).unwrap()] >> (index % 8) & 1 == 1
}

fn ones(bits: &[u8]) -> u32 {
    bits.iter().map(|byte| byte.count_ones()).sum()
}

on_both! {
    async fn a_list_is_a_status_list_token_of_the_draft(app) {
        let document = list_of(&app, &app.log_in().await).await;
        assert_eq!(document.header("content-type"), "application/statuslist+jwt");
        assert_eq!(document.header("cache-control"), "public, max-age=60");
        assert_eq!(document.header("access-control-allow-origin"), "*");
        assert_eq!(header(&document.text)["typ"], "statuslist+jwt");
        let claims = claims(&document.text);
        assert_eq!(claims["sub"], format!("{ISSUER}/status-lists/1"));
        assert_eq!((&claims["ttl"], &claims["status_list"]["bits"]), (&60.into(), &1.into()));
        let age = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(age, 3600);
        assert_eq!(bits(&app, &document.text).await.len(), (1 << 20) / 8);
    }

    async fn revoking_sets_the_bits_of_what_was_revoked_and_no_others(app) {
        let (kept, revoked) = (app.log_in().await, app.log_in().await);
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        assert!(!is_invalid(&app, &revoked).await);
        app.post("/oauth2/revoke", &[("token", revoked.refresh())]).await;
        app.post("/oauth2/revoke", &[("token", &own.access_token)]).await;
        app.synchronise().await;
        assert!(is_invalid(&app, &revoked).await && is_invalid(&app, &own).await);
        assert!(!is_invalid(&app, &kept).await);
        assert_eq!(ones(&bits(&app, &list_of(&app, &kept).await.text).await), 2);
    }

    async fn a_refreshed_token_is_revoked_by_the_same_bit(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        app.admin().disable_user("alice").await.unwrap();
        app.synchronise().await;
        assert!(is_invalid(&app, &first).await && is_invalid(&app, &second).await);
    }

    async fn tokens_of_a_revoked_key_are_invalid_and_the_list_says_so_under_its_successor(app) {
        let (users, own) = (app.log_in().await, app.token(&[("grant_type", "client_credentials")]).await.tokens());
        let kid = |token: &str| header(token)["kid"].as_str().unwrap().to_owned();
        let revoked = kid(&users.access_token);
        app.admin().revoke_key(&revoked).await.unwrap();
        app.synchronise().await;
        assert!(is_invalid(&app, &users).await && is_invalid(&app, &own).await);
        assert_ne!(kid(&list_of(&app, &users).await.text), revoked);
        let refreshed = app.refresh(users.refresh()).await.tokens();
        assert!(!is_invalid(&app, &refreshed).await, "the grant lives on");
        let restarted = app.second_instance().await;
        assert!(is_invalid(&restarted, &users).await && !is_invalid(&restarted, &refreshed).await);
    }

    async fn what_is_deleted_stays_invalid(app) {
        let users = app.log_in().await;
        app.admin().delete_user("alice").await.unwrap();
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        app.admin().delete_client("erp").await.unwrap();
        app.synchronise().await;
        assert!(is_invalid(&app, &users).await && is_invalid(&app, &own).await);
        let restarted = app.second_instance().await;
        assert!(is_invalid(&restarted, &users).await && is_invalid(&restarted, &own).await);
    }

    async fn another_instance_publishes_the_revocation_too(app) {
        let other = app.second_instance().await;
        let tokens = app.log_in().await;
        assert!(!is_invalid(&other, &tokens).await);
        app.post("/oauth2/revoke", &[("token", tokens.refresh())]).await;
        other.synchronise().await;
        assert!(is_invalid(&other, &tokens).await);
    }

    async fn a_revocation_by_an_instance_whose_clock_lags_is_not_missed(app) {
        let other = app.second_instance_with_clock_off_by(-300).await;
        let (one, two) = (app.log_in().await, app.log_in().await);
        app.post("/oauth2/revoke", &[("token", one.refresh())]).await;
        app.synchronise().await;
        other.post("/oauth2/revoke", &[("token", two.refresh())]).await;
        app.synchronise().await;
        assert!(is_invalid(&app, &one).await && is_invalid(&app, &two).await);
    }

    async fn an_unchanged_list_is_not_sent_again_and_not_signed_again(app) {
        let tokens = app.log_in().await;
        let document = list_of(&app, &tokens).await;
        app.advance(599);
        assert_eq!(list_of(&app, &tokens).await.text, document.text);
        let again = app.http.get(format!("{}/status-lists/1", app.base));
        let again = Answer::of(again.header("if-none-match", document.header("etag"))).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        app.advance(1);
        assert_ne!(list_of(&app, &tokens).await.text, document.text, "it would expire otherwise");
    }

    async fn a_list_that_changes_all_the_time_is_signed_four_times_a_second(app) {
        let (one, two) = (app.log_in().await, app.log_in().await);
        let before = app.get("/status-lists/1").await.text;
        app.post("/oauth2/revoke", &[("token", one.refresh())]).await;
        app.synchronise().await;
        app.clock.advance(chrono::Duration::milliseconds(249));
        assert_eq!(app.get("/status-lists/1").await.text, before);
        app.post("/oauth2/revoke", &[("token", two.refresh())]).await;
        app.synchronise().await;
        app.clock.advance(chrono::Duration::milliseconds(1));
        let after = app.get("/status-lists/1").await.text;
        assert_eq!(ones(&bits(&app, &after).await), 2);
    }

    async fn a_list_is_sent_by_gzip_to_those_who_take_it(app) {
        let plain = list_of(&app, &app.log_in().await).await;
        let fetch = async |accept: &str, known: &str| {
            let request = app.http.get(format!("{}/status-lists/1", app.base)).header("accept-encoding", accept);
            request.header("if-none-match", known).send().await.unwrap()
        };
        let compressed = fetch("br, gzip", plain.header("etag")).await;
        assert_eq!(compressed.status(), 200, "the tag is that of the plain form");
        let header = |name: &str| compressed.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("content-encoding"), header("vary")), ("gzip".to_owned(), "accept-encoding".to_owned()));
        assert_eq!(fetch("gzip", &header("etag")).await.status(), 304);
        let mut text = String::new();
        let body = compressed.bytes().await.unwrap();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, plain.text);
        for accept in ["identity", "gzip;q=0", "br", "gzip;q=0.1, identity", ""] {
            let answer = fetch(accept, "").await;
            assert!(!answer.headers().contains_key("content-encoding"), "{accept}");
            assert_eq!(answer.text().await.unwrap(), plain.text);
        }
    }

    async fn a_list_is_signed_with_the_key_that_signs_now(app) {
        let tokens = app.log_in().await;
        let before = header(&list_of(&app, &tokens).await.text)["kid"].clone();
        app.provider.keys.rotate(signet::keys::Activation::AtOnce, &signet::store::audit_events::Author::signet()).await.unwrap();
        app.synchronise().await;
        assert_ne!(header(&list_of(&app, &tokens).await.text)["kid"], before);
        assert!(!is_invalid(&app, &tokens).await);
    }

    async fn all_lists_are_listed_and_others_are_not_found(app) {
        app.log_in().await;
        let lists = app.get("/status-lists").await.json();
        assert_eq!(lists, serde_json::json!({ "status_lists": [format!("{ISSUER}/status-lists/1")] }));
        let metadata = app.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["status_list_aggregation_endpoint"], format!("{ISSUER}/status-lists"));
        for id in ["2", "0", "-1", "x", "99999999999999999999", "1%00"] {
            assert_eq!(app.get(&format!("/status-lists/{id}")).await.status, 404, "{id}");
        }
    }
}
