//! What `token inspect` finds out about real tokens.

use chrono::DateTime;

use super::*;
use crate::admin::token::{Inspection, inspect};
use crate::keys::{IssuerSecrets, Typ};
use crate::oauth::{KeySetFetches, Provider, TokenEvents};
use crate::protocol::token::{AccessTokenClaims, StatusClaim, StatusListReference};

const ISSUER: &str = "https://auth.example.com";

async fn provider(desk: &Desk) -> Provider {
    let Admin { store, clock, entropy, keys, passwords, .. } = &desk.admin;
    keys.reload().await.unwrap();
    let issuer: crate::protocol::issuer::Issuer = ISSUER.parse().unwrap();
    Provider {
        lists: crate::status::Published::new(store.clone(), clock.clone(), keys.clone(), issuer.clone()),
        issuer,
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        keys: keys.clone(),
        secrets: IssuerSecrets::open(store, clock, entropy, &desk.master).await.unwrap(),
        directory: Directory::new(store.clone()),
        statuses: Allocator::new(store.clone(), clock.clone(), entropy.clone()),
        passwords: passwords.clone(),
        key_set_fetches: KeySetFetches::default(),
        password_grant_uses: crate::oauth::PasswordGrantUses::default(),
        token_events: TokenEvents::default(),
        metrics: crate::metrics::Metrics::new(clock.now()),
    }
}

/// An access token of the grant, good for ten minutes.
fn access_token(provider: &Provider, grant: &Grant, issuer: &str) -> Secret {
    let now: DateTime<chrono::Utc> = provider.clock.now();
    let uri = provider.issuer.url(&format!("/status-lists/{}", grant.status_list_id));
    let claims = AccessTokenClaims {
        iss: issuer.to_owned(),
        sub: grant.user_id.to_string(),
        aud: API.to_owned(),
        exp: now.timestamp() + 600,
        iat: now.timestamp(),
        jti: provider.entropy.uuid(),
        client_id: "erp".to_owned(),
        scope: grant.scope.0.clone(),
        grant_id: Some(grant.id),
        status: StatusClaim { status_list: StatusListReference { idx: grant.status_index, uri } },
    };
    let ring = provider.keys.ring();
    Secret::new(ring.signing_key(Algorithm::ES256, now).unwrap().sign_jwt(Typ::AccessToken, &claims).unwrap())
}

#[track_caller]
fn assert_refused(found: &Inspection, reason: &str, detail: &str) {
    assert_eq!((found.active, found.reason.as_deref()), (false, Some(reason)), "{}", found.detail);
    assert!(found.detail.contains(detail), "{:?}", found.detail);
}

#[tokio::test]
async fn an_access_token_is_judged_as_an_api_would() {
    let desk = Desk::new().await;
    let (provider, grant) = (provider(&desk).await, desk.log_in().await);
    let token = access_token(&provider, &grant, ISSUER);

    let found = inspect(&provider, &token, Some(API)).await.unwrap();
    assert_eq!((found.active, found.genuine, found.reason), (true, true, None));
    assert!(found.detail.contains("for the user Anna"), "{}", found.detail);
    assert_eq!(found.claims.unwrap()["client_id"], "erp");

    let found = inspect(&provider, &token, Some("https://other.example")).await.unwrap();
    assert_refused(&found, "wrong_audience", "for the audience https://api.example.com, not for https://other.example");

    let mut altered = token.expose().to_owned();
    altered.replace_range(altered.len() - 4..altered.len() - 1, "AAA");
    let found = inspect(&provider, &Secret::new(altered), None).await.unwrap();
    assert!(!found.active && !found.genuine && found.claims.is_some());
    assert_refused(&found, "wrong_signature", "signature");

    let foreign = access_token(&provider, &grant, "https://staging.example.com");
    let found = inspect(&provider, &foreign, None).await.unwrap();
    assert_refused(&found, "wrong_issuer", "https://staging.example.com");

    desk.admin.disable_client("erp").await.unwrap();
    assert_refused(&inspect(&provider, &token, None).await.unwrap(), "gone", "the client is disabled");
    desk.admin.enable_client("erp").await.unwrap();

    desk.admin.revoke(&Filter { grant_id: Some(grant.id), ..Filter::default() }).await.unwrap();
    assert_refused(&inspect(&provider, &token, None).await.unwrap(), "revoked", "revoked at 2026-11-24T21:00:00Z");

    desk.admin.clock.advance(Duration::seconds(612));
    assert_refused(
        &inspect(&provider, &token, None).await.unwrap(),
        "expired",
        "expired 12s ago, at 2026-11-24T21:10:",
    );
}

#[tokio::test]
async fn a_refresh_token_is_inspected_without_being_redeemed() {
    let desk = Desk::new().await;
    let (provider, grant) = (provider(&desk).await, desk.log_in().await);
    let token = provider.secrets.refresh_token(grant.id, 1);
    for _ in 0..2 {
        let found = inspect(&provider, &token, None).await.unwrap();
        assert_eq!(
            (found.active, found.generation, found.token_type.as_deref()),
            (true, Some(1), Some("refresh_token"))
        );
        assert_eq!(found.grant.unwrap().username, "Anna");
    }
    desk.admin.disable_user("anna").await.unwrap();
    assert_refused(&inspect(&provider, &token, None).await.unwrap(), "revoked", "user disabled");
    desk.admin.delete_user("anna").await.unwrap();
    assert_refused(&inspect(&provider, &token, None).await.unwrap(), "gone", "its user or client was deleted");
    let other = Secret::new(format!("{}A", &token.expose()[..token.expose().len() - 1]));
    let found = inspect(&provider, &other, None).await.unwrap();
    assert!(!found.genuine && found.grant.is_none());
}
