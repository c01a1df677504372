//! The API against an issuer of the test's own, which can do what a real one must not: sign anything, and vanish.

mod issuer;

use std::time::Duration;

use actix_web::http::StatusCode;
use issuer::{Issuer, Key};
use jsonwebtoken::{Algorithm, get_current_timestamp};
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::orders::key_set::{KeySet, Source};
use super::orders::{self, verify::Verifier};

const AUDIENCE: &str = "https://orders.example";

/// The API, told to trust `issuer`.
struct Api {
    orders: String,
    http: reqwest::Client,
}

impl Api {
    fn trusting(issuer: &Issuer) -> Self {
        Self::with(issuer, |_| {})
    }

    fn with(issuer: &Issuer, change: impl FnOnce(&mut KeySet)) -> Self {
        let url = reqwest::Url::parse(&issuer.url).unwrap();
        let http = super::http_client(&url, None).unwrap();
        let mut keys = KeySet::new(http.clone(), Source::Metadata(url));
        change(&mut keys);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let orders = format!("http://{}/orders", listener.local_addr().unwrap());
        let server = orders::listen(listener, Verifier::new(issuer.url.clone(), AUDIENCE, keys)).unwrap();
        actix_web::rt::spawn(server);
        Self { orders, http }
    }

    /// The status of `GET /orders`, and the challenge that came with it.
    async fn list(&self, token: &str) -> (StatusCode, String) {
        self.answer(self.http.get(&self.orders).bearer_auth(token)).await
    }

    async fn add(&self, token: &str) -> (StatusCode, String) {
        let order = json!({ "item": "bolt", "quantity": 3 });
        self.answer(self.http.post(&self.orders).bearer_auth(token).json(&order)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (StatusCode, String) {
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap());
        (StatusCode::from_u16(answer.status().as_u16()).unwrap(), challenge.to_owned())
    }

    async fn refuses(&self, token: &str, why: &str) {
        let (status, challenge) = self.list(token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{why}");
        assert_eq!(challenge, r#"Bearer realm="orders", error="invalid_token""#, "{why}");
    }
}

/// The claims of a good token.
fn claims(issuer: &Issuer) -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": issuer.url, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "scope": "read write", "iat": now,
        "exp": now + 300, "jti": "1",
    })
}

/// The same with some claims replaced; `null` takes a claim out.
fn claims_with(issuer: &Issuer, changes: &Value) -> Value {
    let mut claims = claims(issuer);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[actix_web::test]
async fn a_good_token_of_each_algorithm_is_served() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA] {
        let key = Key::new("k1", algorithm);
        let issuer = Issuer::start(&[&key]);
        let api = Api::trusting(&issuer);
        let token = key.sign(&claims(&issuer));
        assert_eq!(api.list(&token).await, (StatusCode::OK, String::new()), "{algorithm:?}");
        assert_eq!(api.add(&token).await, (StatusCode::CREATED, String::new()), "{algorithm:?}");
        assert_eq!(issuer.fetches(), 1, "one fetch serves all requests");
    }
}

#[actix_web::test]
async fn without_a_token_the_challenge_has_no_error_code() {
    let issuer = Issuer::start(&[]);
    let api = Api::trusting(&issuer);
    let basic = api.http.get(&api.orders).basic_auth("ada", Some("secret"));
    for request in [api.http.get(&api.orders), api.http.post(&api.orders), basic] {
        let answer = api.answer(request).await;
        assert_eq!(answer, (StatusCode::UNAUTHORIZED, r#"Bearer realm="orders""#.to_owned()));
    }
}

#[actix_web::test]
async fn a_token_without_the_scope_is_told_which_one() {
    let key = Key::new("k1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let api = Api::trusting(&issuer);
    // `readwrite` begins and ends as the two do, and is neither.
    for (scope, list, add) in [("read", 200, 403), ("write", 403, 201), ("readwrite", 403, 403), ("", 403, 403)] {
        let token = key.sign(&claims_with(&issuer, &json!({ "scope": scope })));
        assert_eq!(api.list(&token).await.0.as_u16(), list, "{scope}");
        let (status, challenge) = api.add(&token).await;
        assert_eq!(status.as_u16(), add, "{scope}");
        if add == 403 {
            assert_eq!(challenge, r#"Bearer realm="orders", error="insufficient_scope", scope="write""#);
        }
    }
}

#[actix_web::test]
async fn claims_that_are_not_for_this_api_and_moment_are_refused() {
    let key = Key::new("k1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let api = Api::trusting(&issuer);
    let now = get_current_timestamp();
    for wrong in [
        json!({ "iss": "https://other.example" }),
        json!({ "iss": format!("{}/", issuer.url) }),
        json!({ "iss": null }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": null }),
        json!({ "sub": null }),
        json!({ "exp": null }),
        json!({ "exp": (now + 300).to_string() }),
        json!({ "exp": now - 90 }),
        json!({ "nbf": now + 90 }),
    ] {
        api.refuses(&key.sign(&claims_with(&issuer, &wrong)), &wrong.to_string()).await;
    }
    // Clocks differ: half a minute is forgiven.
    for near in [json!({ "exp": now - 30 }), json!({ "nbf": now + 30 })] {
        let token = key.sign(&claims_with(&issuer, &near));
        assert_eq!(api.list(&token).await.0, StatusCode::OK, "{near}");
    }
}

#[actix_web::test]
async fn what_the_header_says_decides_nothing() {
    let (key, rsa) = (Key::new("k1", Algorithm::ES256), Key::new("k2", Algorithm::RS256));
    let issuer = Issuer::start(&[&key, &rsa]);
    let api = Api::trusting(&issuer);
    let good = claims(&issuer);
    let stranger = Key::new("k1", Algorithm::ES256);
    let with = |change: &dyn Fn(&mut jsonwebtoken::Header)| {
        let mut header = key.header();
        change(&mut header);
        key.sign_as(&header, &good)
    };

    api.refuses(&stranger.sign(&good), "another's key under a known kid").await;
    api.refuses(&with(&|header| header.typ = Some("JWT".to_owned())), "not an access token").await;
    api.refuses(&with(&|header| header.typ = None), "no typ").await;
    api.refuses(&with(&|header| header.kid = None), "no kid").await;
    api.refuses(&with(&|header| header.kid = Some("k2".to_owned())), "the kid of another key").await;
    api.refuses(&with(&|header| header.crit = Some(vec!["b64".to_owned()])), "a critical parameter").await;
    let mut pss = rsa.header();
    pss.alg = Algorithm::PS256;
    api.refuses(&rsa.sign_as(&pss, &good), "the key's type fits, its algorithm does not").await;
    api.refuses(&rsa.sign_with_public_key_as_secret(&good), "HS256 with the public key").await;
    api.refuses(&issuer::unsigned("k1", &good), "alg none").await;
    let token = key.sign(&good);
    api.refuses(&token[..token.len() - 2], "a truncated signature").await;
    api.refuses("abc", "not a JWT").await;

    // RFC 9068 §4: the long form of the media type is the same.
    let token = with(&|header| header.typ = Some("application/at+JWT".to_owned()));
    assert_eq!(api.list(&token).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_key_that_is_not_for_signatures_or_of_a_forbidden_algorithm_is_passed_over() {
    let key = Key::new("k1", Algorithm::ES256);
    let mut encryption = Key::new("k2", Algorithm::ES256);
    encryption.jwk["use"] = json!("enc");
    let shared = Key::new("k3", Algorithm::HS256);
    let mut unknown = Key::new("k4", Algorithm::ES256);
    unknown.jwk = json!({ "kty": "new", "kid": "k4", "alg": "NEW" });
    let issuer = Issuer::start(&[&unknown, &shared, &encryption, &key]);
    let api = Api::trusting(&issuer);
    for other in [&encryption, &shared, &unknown] {
        api.refuses(&other.sign(&claims(&issuer)), &other.jwk.to_string()).await;
    }
    assert_eq!(api.list(&key.sign(&claims(&issuer))).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn an_unknown_key_causes_one_fetch_and_then_none_for_a_while() {
    let key = Key::new("k1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let api = Api::trusting(&issuer);
    let stranger = Key::new("k3", Algorithm::ES256);
    for _ in 0..5 {
        api.refuses(&stranger.sign(&claims(&issuer)), "a key of nobody").await;
    }
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(api.list(&key.sign(&claims(&issuer))).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_key_that_came_after_the_last_fetch_is_found() {
    let (key, next) = (Key::new("k1", Algorithm::ES256), Key::new("k2", Algorithm::ES256));
    let issuer = Issuer::start(&[&key]);
    let api = Api::with(&issuer, |keys| keys.cool_down = Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(api.list(&key.sign(&claims(&issuer))).await.0, StatusCode::OK);
        assert_eq!(issuer.fetches(), 1, "a known key is not fetched again");
    }
    issuer.publish(&[&next]);
    assert_eq!(api.list(&next.sign(&claims(&issuer))).await.0, StatusCode::OK);
    assert_eq!(issuer.fetches(), 2);
    api.refuses(&key.sign(&claims(&issuer)), "a key that was withdrawn").await;
}

#[actix_web::test]
async fn a_key_set_is_fetched_again_when_its_max_age_has_passed() {
    let key = Key::new("k1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    issuer.allow_no_caching();
    let api = Api::with(&issuer, |keys| keys.cool_down = Duration::ZERO);
    let token = key.sign(&claims(&issuer));
    for fetches in 1..4 {
        assert_eq!(api.list(&token).await.0, StatusCode::OK);
        assert_eq!(issuer.fetches(), fetches);
    }
}

#[actix_web::test]
async fn without_the_issuer_known_keys_go_on_for_a_while_and_unknown_ones_are_no_fault_of_the_caller() {
    let key = Key::new("k1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    issuer.allow_no_caching();
    let (warm, cold) = (Api::trusting(&issuer), Api::trusting(&issuer));
    let impatient = Api::with(&issuer, |keys| {
        (keys.cool_down, keys.tolerated_outage) = (Duration::ZERO, Duration::from_millis(1));
    });
    let token = key.sign(&claims(&issuer));
    assert_eq!(warm.list(&token).await.0, StatusCode::OK);
    assert_eq!(impatient.list(&token).await.0, StatusCode::OK);
    issuer.stop().await;
    assert_eq!(warm.list(&token).await.0, StatusCode::OK);
    for without_keys in [cold, impatient] {
        assert_eq!(without_keys.list(&token).await, (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    }
}

#[actix_web::test]
async fn the_metadata_of_another_issuer_is_not_used() {
    let key = Key::new("k1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    issuer.claim_to_be("https://other.example");
    let api = Api::trusting(&issuer);
    assert_eq!(api.list(&key.sign(&claims(&issuer))).await.0, StatusCode::SERVICE_UNAVAILABLE);
}
