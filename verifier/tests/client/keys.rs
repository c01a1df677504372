//! The key set: how often it is fetched, and which keys are believed when.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use signet_verifier::client::BuildError;
use signet_verifier::{Algorithm, Client, Error, JwsError, Policy};

use crate::eventually;
use crate::issuer::{Answer, Issuer};
use crate::support::{AUDIENCE, Signer, jwks};

fn is_unknown_key(outcome: &Result<signet_verifier::AccessToken, Error>) -> bool {
    matches!(outcome, Err(Error::Jws(JwsError::UnknownKey)))
}

#[tokio::test]
async fn fifty_concurrent_requests_fetch_metadata_keys_and_list_once() {
    let issuer = Issuer::start().await;
    *issuer.jwks.lock().unwrap() = Answer::Slow(Duration::from_millis(100), jwks([&issuer.signer]).to_string());
    let client = issuer.builder().build().unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for index in 0..50 {
        let (client, token) = (client.clone(), issuer.token(index));
        requests.spawn(async move { client.verify(&token).await.unwrap() });
    }
    requests.join_all().await;
    let counts = &issuer.counts;
    let counts = [&counts.metadata, &counts.jwks, &counts.lists].map(|count| count.load(SeqCst));
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test]
async fn made_up_kids_cause_one_fetch_in_thirty_seconds() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    let stranger = Signer::generate(Algorithm::EdDSA, "forged");
    let storm = async |from: usize| {
        let mut requests = tokio::task::JoinSet::new();
        for number in from..from + 100 {
            let header = format!(r#"{{"alg":"EdDSA","kid":"forged{number}","typ":"at+jwt"}}"#);
            let (client, token) = (client.clone(), stranger.sign(&header, "{}"));
            requests.spawn(async move { assert!(is_unknown_key(&client.verify(&token).await)) });
        }
        requests.join_all().await;
    };
    storm(0).await;
    assert_eq!(issuer.counts.jwks.load(SeqCst), 2);
    issuer.pass(29);
    storm(100).await;
    assert_eq!(issuer.counts.jwks.load(SeqCst), 2);
    issuer.pass(1);
    storm(200).await;
    assert_eq!(issuer.counts.jwks.load(SeqCst), 3);
}

#[tokio::test]
async fn a_kid_that_was_not_found_is_not_asked_for_again_until_the_set_changes() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    let new = Signer::generate(Algorithm::EdDSA, "k2");
    let token = issuer.token_by(&new, 1);
    assert!(is_unknown_key(&client.verify(&token).await));
    issuer.pass(60);
    assert!(is_unknown_key(&client.verify(&token).await));
    assert_eq!(issuer.counts.jwks.load(SeqCst), 2);
    issuer.publish_keys([&issuer.signer, &new]);
    // Another unknown name has the set fetched, which has the key by now.
    let other = Signer::generate(Algorithm::EdDSA, "k3");
    assert!(is_unknown_key(&client.verify(&issuer.token_by(&other, 1)).await));
    client.verify(&token).await.unwrap();
    assert_eq!(issuer.counts.jwks.load(SeqCst), 3);
}

#[tokio::test]
async fn a_new_key_is_known_at_its_first_token() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    let new = Signer::generate(Algorithm::RS256, "k2");
    issuer.publish_keys([&issuer.signer, &new]);
    client.verify(&issuer.token_by(&new, 1)).await.unwrap();
    assert_eq!(issuer.counts.metadata.load(SeqCst), 1);
}

#[tokio::test]
async fn a_key_that_left_the_set_is_refused_once_max_age_is_over() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    client.verify(&issuer.token(1)).await.unwrap();
    issuer.publish_keys([&Signer::generate(Algorithm::ES256, "k2")]);
    issuer.pass(239);
    client.verify(&issuer.token(1)).await.unwrap();
    issuer.pass(61);
    assert!(is_unknown_key(&client.verify(&issuer.token(1)).await));
}

#[tokio::test]
async fn keys_are_refreshed_ahead_of_time_without_a_request_waiting() {
    let issuer = Issuer::start().await;
    let client = issuer.builder().maintenance_period(Duration::from_millis(5)).build().unwrap();
    client.verify(&issuer.token(1)).await.unwrap();
    issuer.pass(241);
    eventually("a conditional request", async || issuer.counts.not_modified.load(SeqCst) >= 1).await;
    eventually("the keys are fetched", async || issuer.counts.jwks.load(SeqCst) == 2).await;
    *issuer.jwks.lock().unwrap() = Answer::Never;
    issuer.pass(200);
    let begin = std::time::Instant::now();
    client.verify(&issuer.token(1)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_millis(200), "what is warm does not wait");
}

#[tokio::test]
async fn max_age_has_a_floor_and_a_ceiling() {
    let issuer = Issuer::start().await;
    issuer.max_age.store(0, SeqCst);
    let client = issuer.client().await;
    issuer.pass(23);
    client.verify(&issuer.token(1)).await.unwrap();
    assert_eq!(issuer.counts.jwks.load(SeqCst), 1);
    issuer.max_age.store(1 << 40, SeqCst);
    issuer.pass(7);
    client.verify(&issuer.token(1)).await.unwrap();
    assert_eq!(issuer.counts.jwks.load(SeqCst), 2);
    issuer.publish_list(&[]);
    issuer.pass(24 * 3600);
    issuer.publish_list(&[]);
    client.verify(&issuer.token(1)).await.unwrap();
    assert_eq!(issuer.counts.jwks.load(SeqCst), 3);
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_down_for_an_hour_and_no_longer() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    issuer.publish_list(&[]);
    *issuer.jwks.lock().unwrap() = Answer::Status(500);
    for (seconds, is_good) in [(301, true), (3300, true), (300, false)] {
        issuer.pass(seconds);
        issuer.publish_list(&[]);
        let outcome = client.verify(&issuer.token(1)).await;
        assert_eq!(outcome.is_ok(), is_good, "{outcome:?}");
        if let Err(error) = outcome {
            assert!(error.is_unavailable(), "{error}");
        }
    }
    issuer.publish_keys([&issuer.signer]);
    issuer.pass(10);
    eventually("it recovers", async || client.verify(&issuer.token(1)).await.is_ok()).await;
}

#[tokio::test]
async fn bad_answers_make_keys_unavailable_and_do_not_hang() {
    let issuer = Issuer::start().await;
    let elsewhere = Issuer::start().await;
    let another = format!("{}/jwks", elsewhere.url);
    for (answer, why) in [
        (Answer::Never, "in time"),
        (Answer::Slow(Duration::from_secs(5), jwks([&issuer.signer]).to_string()), "in time"),
        (Answer::Endless(1 << 20), "more than"),
        (Answer::Document(" ".repeat(1 << 19)), "more than"),
        (Answer::Redirect(another), "redirect"),
        (Answer::Status(404), "404"),
        (Answer::Document("<html>".into()), "not usable"),
        (Answer::Document(r#"{"keys":[]}"#.into()), "no key"),
    ] {
        *issuer.jwks.lock().unwrap() = answer;
        let client = issuer.builder().build().unwrap();
        let begin = std::time::Instant::now();
        let error = client.verify(&issuer.token(1)).await.unwrap_err();
        assert!(matches!(error, Error::KeysUnavailable(_)) && error.is_unavailable(), "{error}");
        assert!(error.to_string().contains(why), "{error}, expected {why}");
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(elsewhere.counts.jwks.load(SeqCst), 0, "a redirect is not followed");
}

#[tokio::test]
async fn after_a_failure_the_issuer_is_left_alone_for_a_while() {
    let issuer = Issuer::start().await;
    *issuer.jwks.lock().unwrap() = Answer::Status(500);
    let client = issuer.builder().build().unwrap();
    for _ in 0..20 {
        assert!(client.verify(&issuer.token(1)).await.unwrap_err().is_unavailable());
    }
    assert_eq!(issuer.counts.jwks.load(SeqCst), 1);
}

#[tokio::test]
async fn a_client_is_not_built_on_plain_http_or_with_foreign_lists() {
    let build = |issuer: &str| Client::builder(Policy::new(issuer, AUDIENCE));
    assert!(matches!(build("http://id.example.org").build(), Err(BuildError::Insecure(_))));
    assert!(matches!(build("id.example.org").build(), Err(BuildError::Address(_))));
    let issuer = build("http://127.0.0.1:1");
    assert!(matches!(issuer.jwks_uri("http://10.0.0.1/").build(), Err(BuildError::Insecure(_))));
    let issuer = build("http://127.0.0.1:1");
    assert!(matches!(issuer.status_list_prefix("http://127.0.0.1:2/x/").build(), Err(BuildError::ForeignPrefix)));
}
