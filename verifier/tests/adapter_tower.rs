//! The layers for tower, under axum.

#[path = "client/issuer.rs"]
mod issuer;
mod support;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Request, Response};
use axum::routing::get;
use axum::{Extension, Router};
use issuer::{Answer, Issuer};
use signet_verifier::tower::{RequireScopes, RequireToken};
use signet_verifier::{AccessToken, Client, Denied, Error};
use tower::ServiceExt as _;

async fn who(Extension(token): Extension<AccessToken>) -> String {
    token.sub().to_owned()
}

async fn answer(client: Client, path: &str, headers: &[String]) -> Response<Body> {
    let scoped = |scopes: &[&str]| get(who).layer(RequireScopes::new(scopes));
    let app = Router::new()
        .route("/who", get(who))
        .route("/read", scoped(&["reports:read"]))
        .route("/manage", scoped(&["reports:read", "reports:manage"]))
        .layer(RequireToken::new(client));
    let mut request = Request::get(path);
    for header in headers {
        request = request.header(AUTHORIZATION, header);
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn challenge(response: &Response<Body>) -> &str {
    response.headers().get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_good_token_reaches_the_handler() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    let bearer = [format!("bearer {}", issuer.token(1))];
    for path in ["/who", "/read"] {
        let response = answer(client.clone(), path, &bearer).await;
        assert_eq!((response.status().as_u16(), challenge(&response)), (200, ""));
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, "0190f5c2-8a3f-7c31-9d2e-4f6a8b1c2d3e");
    }
}

#[tokio::test]
async fn what_is_refused_is_challenged_and_the_log_can_learn_why() {
    let issuer = Issuer::start().await;
    issuer.publish_list(&[5]);
    let client = issuer.builder().realm("reports").build().unwrap();
    let response = answer(client.clone(), "/who", &[]).await;
    assert_eq!((response.status().as_u16(), challenge(&response)), (401, r#"Bearer realm="reports""#));
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");

    let revoked = answer(client.clone(), "/who", &[format!("Bearer {}", issuer.token(5))]).await;
    let invalid =
        r#"Bearer realm="reports", error="invalid_token", error_description="The access token is not valid.""#;
    assert_eq!((revoked.status().as_u16(), challenge(&revoked)), (401, invalid));
    let why = revoked.extensions().get::<Denied>();
    assert!(matches!(why, Some(Denied::Refused(Error::Revoked))), "{why:?}");

    let good = format!("Bearer {}", issuer.token(1));
    let twice = answer(client.clone(), "/who", &[good.clone(), good.clone()]).await;
    assert_eq!(twice.status(), 400);
    let lacking = answer(client, "/manage", &[good]).await;
    assert_eq!(lacking.status(), 403);
    assert!(challenge(&lacking).ends_with(r#"scope="reports:read reports:manage""#), "{}", challenge(&lacking));
}

#[tokio::test]
async fn without_keys_it_is_503_and_no_challenge() {
    let issuer = Issuer::start().await;
    *issuer.jwks.lock().unwrap() = Answer::Status(500);
    let client = issuer.builder().build().unwrap();
    let response = answer(client, "/who", &[format!("Bearer {}", issuer.token(1))]).await;
    assert_eq!((response.status().as_u16(), challenge(&response)), (503, ""));
    assert_eq!(response.headers()[RETRY_AFTER], "10");
}

#[tokio::test]
async fn scopes_without_a_verified_token_are_refused() {
    let app = Router::new().route("/who", get(who)).layer(RequireScopes::new(["reports:read"]));
    let response = app.oneshot(Request::get("/who").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 401);
}
