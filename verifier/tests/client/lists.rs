//! Status lists: when they are fetched, from where, and until when they are believed.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;
use signet_verifier::{Algorithm, Error, Policy, StatusUnavailable, Unchecked};

use crate::issuer::{Answer, Issuer};
use crate::support::{AUDIENCE, NOW, Signer, claims, list_claims, with};

#[tokio::test]
async fn a_revocation_is_known_when_the_ttl_is_over() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    client.verify(&issuer.token(5)).await.unwrap();
    issuer.pass(47);
    issuer.publish_list(&[5]);
    client.verify(&issuer.token(5)).await.unwrap();
    assert_eq!(issuer.counts.lists.load(SeqCst), 1);
    issuer.pass(13);
    assert!(matches!(client.verify(&issuer.token(5)).await, Err(Error::Revoked)));
    client.verify(&issuer.token(6)).await.unwrap();
    assert_eq!(issuer.counts.lists.load(SeqCst), 2);
}

#[tokio::test]
async fn an_old_list_serves_until_its_end_and_never_beyond() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    client.verify(&issuer.token(5)).await.unwrap();
    *issuer.list.lock().unwrap() = Answer::Status(500);
    issuer.pass(3599);
    client.verify(&issuer.token(5)).await.unwrap();
    issuer.pass(1);
    let error = client.verify(&issuer.token(5)).await.unwrap_err();
    assert!(matches!(error, Error::StatusUnavailable(_)) && error.is_unavailable(), "{error}");
}

#[tokio::test]
async fn without_a_list_the_policy_decides() {
    let issuer = Issuer::start().await;
    *issuer.list.lock().unwrap() = Answer::Status(404);
    let client = issuer.client().await;
    let error = client.verify(&issuer.token(5)).await.unwrap_err();
    assert!(matches!(error, Error::StatusUnavailable(StatusUnavailable::Fetch(_))), "{error}");
    let lenient = Policy::new(&issuer.url, AUDIENCE).without_list(Unchecked::Accept);
    let now = issuer.now.clone();
    let clock = move || signet_verifier::UnixTime::from_secs(now.load(SeqCst));
    let client = signet_verifier::Client::builder(lenient).clock(clock).build().unwrap();
    assert!(!client.verify(&issuer.token(5)).await.unwrap().status_was_checked());
}

#[tokio::test]
async fn nothing_is_fetched_for_a_token_whose_signature_is_bad() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    let forged = issuer.token_by(&Signer::generate(Algorithm::ES256, "k1"), 5);
    assert!(client.verify(&forged).await.is_err());
    assert_eq!(issuer.counts.lists.load(SeqCst), 0);
}

#[tokio::test]
async fn only_addresses_below_the_issuers_prefix_are_asked() {
    let issuer = Issuer::start().await;
    let elsewhere = Issuer::start().await;
    let client = issuer.client().await;
    for uri in [
        format!("{}/status-lists/7", elsewhere.url),
        format!("{}/jwks", issuer.url),
        format!("{}/status-lists/../jwks", issuer.url),
        format!("{}/status-lists/%2e%2e/jwks", issuer.url),
        format!("{}/status-lists/7?x", issuer.url),
        format!("{}/status-lists/7#x", issuer.url),
        format!("{}@evil.example/status-lists/7", issuer.url),
        "file:///etc/passwd".into(),
    ] {
        let status = json!({"status": {"status_list": {"idx": 1, "uri": uri}}});
        let token = issuer.signer.access_token(&with(claims(&issuer.url, NOW, 1), status));
        assert!(matches!(client.verify(&token).await, Err(Error::ForeignStatusList)), "{uri}");
    }
    assert_eq!((issuer.counts.jwks.load(SeqCst), elsewhere.counts.lists.load(SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_list_of_another_or_by_a_stranger_is_not_believed() {
    let issuer = Issuer::start().await;
    let good = list_claims(&issuer.url, NOW, 1, &[0; 16]);
    let another =
        issuer.signer.list_token(&with(good.clone(), json!({"sub": format!("{}/status-lists/8", issuer.url)})));
    let stranger = Signer::generate(Algorithm::ES256, "k1").list_token(&good);
    let endless = Answer::Endless(8 << 20);
    for answer in [Answer::Document(another), Answer::Document(stranger), endless, Answer::Redirect("/jwks".into())] {
        *issuer.list.lock().unwrap() = answer;
        let error = issuer.client().await.verify(&issuer.token(1)).await.unwrap_err();
        assert!(matches!(error, Error::StatusUnavailable(_)), "{error}");
    }
}

#[tokio::test]
async fn an_older_list_does_not_replace_a_newer_one() {
    let issuer = Issuer::start().await;
    issuer.pass(100);
    let client = issuer.client().await;
    issuer.publish_list(&[5]);
    assert!(matches!(client.verify(&issuer.token(5)).await, Err(Error::Revoked)));
    issuer.pass(60);
    let older = list_claims(&issuer.url, NOW, 1, &[0; 16]);
    *issuer.list.lock().unwrap() = Answer::Document(issuer.signer.list_token(&older));
    assert!(matches!(client.verify(&issuer.token(5)).await, Err(Error::Revoked)));
    assert_eq!(issuer.counts.lists.load(SeqCst), 2);
}

#[tokio::test]
async fn a_list_by_a_key_that_is_new_is_believed() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    let new = Signer::generate(Algorithm::ES256, "k2");
    issuer.publish_keys([&issuer.signer, &new]);
    let list = new.list_token(&list_claims(&issuer.url, NOW, 1, &[1 << 5; 16]));
    *issuer.list.lock().unwrap() = Answer::Document(list);
    assert!(matches!(client.verify(&issuer.token(5)).await, Err(Error::Revoked)));
}
