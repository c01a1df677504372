//! The extractor for actix-web, as an application has it.

#[path = "client/issuer.rs"]
mod issuer;
mod support;

use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use issuer::{Answer, Issuer};
use signet_verifier::actix::Authorized;
use signet_verifier::{Client, scopes};

scopes!(ReadReports = "reports:read");
scopes!(ManageReports = "reports:read", "reports:manage");

async fn who(token: Authorized) -> String {
    token.sub().to_owned()
}

async fn read(token: Authorized<ReadReports>) -> String {
    token.into_token().client_id().to_owned()
}

async fn manage(_: Authorized<ManageReports>) -> &'static str {
    "managed"
}

/// Status, challenge, `Retry-After` and body.
async fn answer(client: Client, path: &str, headers: &[String]) -> (u16, Option<String>, bool, String) {
    let app = App::new()
        .app_data(web::Data::new(client))
        .route("/who", web::get().to(who))
        .route("/read", web::get().to(read))
        .route("/manage", web::get().to(manage));
    let app = init_service(app).await;
    let mut request = TestRequest::get().uri(path);
    for header in headers {
        request = request.append_header((AUTHORIZATION, header.as_str()));
    }
    let response = call_service(&app, request.to_request()).await;
    let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
    let (status, retries) = (response.status().as_u16(), response.headers().contains_key(RETRY_AFTER));
    (status, challenge, retries, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn a_good_token_reaches_the_handler() {
    let issuer = Issuer::start().await;
    let client = issuer.builder().realm("re\"ports").build().unwrap();
    let bearer = [format!("Bearer {}", issuer.token(1))];
    let (status, challenge, _, body) = answer(client.clone(), "/who", &bearer).await;
    assert_eq!((status, challenge, body.as_str()), (200, None, "0190f5c2-8a3f-7c31-9d2e-4f6a8b1c2d3e"));
    assert_eq!(answer(client, "/read", &bearer).await.3, "reports");
}

#[actix_web::test]
async fn what_is_refused_is_challenged_as_rfc_6750_has_it() {
    let issuer = Issuer::start().await;
    issuer.publish_list(&[5]);
    let client = issuer.builder().realm("re\"ports").build().unwrap();
    let (good, revoked) = (format!("Bearer {}", issuer.token(1)), format!("Bearer {}", issuer.token(5)));
    let invalid =
        r#"Bearer realm="reports", error="invalid_token", error_description="The access token is not valid.""#;
    let malformed = r#"Bearer realm="reports", error="invalid_request", error_description="The request is malformed.""#;
    let scope = concat!(
        r#"Bearer realm="reports", error="insufficient_scope", "#,
        r#"error_description="The access token lacks a required scope.", scope="reports:read reports:manage""#
    );
    for (path, headers, status, challenge) in [
        ("/who", vec![], 401, r#"Bearer realm="reports""#),
        ("/who?access_token=x", vec!["Basic eDp4".into()], 401, r#"Bearer realm="reports""#),
        ("/who", vec!["Bearer a.b.c".into()], 401, invalid),
        ("/who", vec![revoked], 401, invalid),
        ("/who", vec![good.clone(), good.clone()], 400, malformed),
        ("/manage", vec![good], 403, scope),
    ] {
        let outcome = answer(client.clone(), path, &headers).await;
        assert_eq!(outcome, (status, Some(challenge.into()), false, String::new()), "{path} {headers:?}");
    }
}

#[actix_web::test]
async fn without_keys_it_is_503_and_no_challenge() {
    let issuer = Issuer::start().await;
    *issuer.jwks.lock().unwrap() = Answer::Status(500);
    let client = issuer.builder().build().unwrap();
    let outcome = answer(client, "/who", &[format!("Bearer {}", issuer.token(1))]).await;
    assert_eq!(outcome, (503, None, true, String::new()));
}

#[actix_web::test]
async fn an_application_without_a_client_is_a_mistake_of_its_own() {
    let app = init_service(App::new().route("/who", web::get().to(who))).await;
    assert_eq!(call_service(&app, TestRequest::get().uri("/who").to_request()).await.status(), 500);
}
