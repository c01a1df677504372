//! The `signet-verifier` crate with a whole issuer: an API that checks tokens on its own.

use std::time::{Duration, Instant};

use signet::background;
use signet::keys::Activation;
use signet_verifier::{Client, Error, Policy, UnixTime};

use crate::on_both;
use crate::support::app::{API, App, OTHER_API, Tokens};

/// An issuer that is found where it says, and an API that trusts it.
async fn issuer_and_api(app: &App, follows_changes: bool) -> (App, Client) {
    let issuer = app.at_its_own_address().await;
    let client = api(&issuer, API, follows_changes);
    (issuer, client)
}

fn api(issuer: &App, audience: &str, follows_changes: bool) -> Client {
    let clock = issuer.clock.clone();
    let now = move || UnixTime::from_secs(clock.now().timestamp());
    let policy = Policy::new(&issuer.base, audience);
    Client::builder(policy).clock(now).follow_changes(follows_changes).build().unwrap()
}

async fn revoke(issuer: &App, tokens: &Tokens) {
    assert_eq!(issuer.post("/oauth2/revoke", &[("token", tokens.refresh())]).await.status, 200);
    issuer.synchronise().await;
}

/// Waits until the API refuses the token; answers how.
async fn refusal(api: &Client, token: &str, within: Duration) -> Error {
    let began = Instant::now();
    loop {
        match api.verify(token).await {
            Err(error) => return error,
            Ok(_) if began.elapsed() < within => tokio::time::sleep(Duration::from_millis(5)).await,
            Ok(_) => panic!("it is still accepted"),
        }
    }
}

on_both! {
    async fn a_good_token_is_accepted_with_what_it_says(app) {
        let (issuer, api_) = issuer_and_api(&app, false).await;
        let tokens = issuer.log_in().await;
        let token = api_.verify(&tokens.access_token).await.unwrap();
        assert_eq!((token.client_id(), token.has_scope("read")), ("erp", true));
        assert!(token.status_was_checked());
        assert!(matches!(api(&issuer, OTHER_API, false).verify(&tokens.access_token).await, Err(Error::Audience)));
        let own = issuer.token(&[("grant_type", "client_credentials")]).await.tokens();
        assert_eq!(api_.verify(&own.access_token).await.unwrap().sub(), "erp");
        let refused = api_.verify(tokens.refresh()).await.unwrap_err();
        assert!(matches!(refused, Error::Jws(_)), "{refused}");
        issuer.advance(700);
        let refused = api_.verify(&tokens.access_token).await.unwrap_err();
        assert!(refused.to_string().contains("expired"), "{refused}");
    }

    async fn a_revoked_token_is_refused_when_the_list_has_grown_old(app) {
        let (issuer, api) = issuer_and_api(&app, false).await;
        let (revoked, kept) = (issuer.log_in().await, issuer.log_in().await);
        api.verify(&revoked.access_token).await.unwrap();
        revoke(&issuer, &revoked).await;
        issuer.advance(61);
        let error = refusal(&api, &revoked.access_token, Duration::from_secs(5)).await;
        assert!(matches!(error, Error::Revoked), "{error}");
        api.verify(&kept.access_token).await.unwrap();
    }

    async fn who_follows_the_changes_refuses_it_at_once(app) {
        let (issuer, api) = issuer_and_api(&app, true).await;
        tokio::task::spawn_local(background::follow(issuer.provider.clone()));
        let kept = issuer.log_in().await;
        for _ in 0..5 {
            let revoked = issuer.log_in().await;
            api.verify(&revoked.access_token).await.unwrap();
            revoke(&issuer, &revoked).await;
            let error = refusal(&api, &revoked.access_token, Duration::from_secs(5)).await;
            assert!(matches!(error, Error::Revoked), "{error}");
        }
        api.verify(&kept.access_token).await.unwrap();
    }

    async fn a_client_that_is_deleted_has_no_good_token_anywhere(app) {
        let (issuer, api) = issuer_and_api(&app, true).await;
        let own = issuer.token(&[("grant_type", "client_credentials")]).await.tokens();
        let users = issuer.log_in().await;
        api.verify(&own.access_token).await.unwrap();
        issuer.admin().delete_client("erp").await.unwrap();
        issuer.synchronise().await;
        for tokens in [&own, &users] {
            let error = refusal(&api, &tokens.access_token, Duration::from_secs(5)).await;
            assert!(matches!(error, Error::Revoked), "{error}");
        }
    }

    async fn a_key_that_follows_is_known_and_a_revoked_one_is_forgotten(app) {
        let (issuer, api) = issuer_and_api(&app, false).await;
        let before = issuer.log_in().await;
        api.verify(&before.access_token).await.unwrap();
        // An unknown kid is asked for once in a while.
        issuer.advance(31);
        issuer.provider.keys.rotate(Activation::AtOnce, &signet::store::audit_events::Author::signet()).await.unwrap();
        issuer.synchronise().await;
        let after = issuer.log_in().await;
        api.verify(&after.access_token).await.unwrap();
        api.verify(&before.access_token).await.unwrap();
        let kid = crate::support::app::header(&before.access_token)["kid"].as_str().unwrap().to_owned();
        issuer.admin().revoke_key(&kid).await.unwrap();
        issuer.synchronise().await;
        // As long as the key set may be kept.
        issuer.advance(301);
        let error = refusal(&api, &before.access_token, Duration::from_secs(5)).await;
        assert!(!error.is_unavailable(), "{error}");
    }
}
