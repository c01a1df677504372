//! What every request and answer have in common: an identifier, the security headers, a line in the log, and an answer
//! even when the code behind it panics.

use std::panic::AssertUnwindSafe;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, web};
use futures_util::FutureExt as _;

use super::error;
use crate::oauth::Provider;

/// Names a request in the log and in the audit trail: the caller's own, where it sent a sound one.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn transaction(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let began = std::time::Instant::now();
    let provider = request.app_data::<web::Data<Provider>>().cloned();
    let id = presented_id(&request).unwrap_or_else(|| {
        let entropy = provider.as_ref().map(|provider| provider.entropy.uuid());
        entropy.unwrap_or_default().simple().to_string()
    });
    request.extensions_mut().insert(RequestId(id.clone()));
    let is_https = provider.is_some_and(|provider| provider.issuer.is_https());
    let http_request = request.request().clone();

    let outcome = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let mut response = match outcome {
        Ok(Ok(response)) => response.map_into_left_body(),
        Ok(Err(refused)) => {
            let response = refused.error_response();
            ServiceResponse::new(http_request.clone(), response).map_into_boxed_body().map_into_right_body()
        }
        Err(_panic) => {
            tracing::error!(request.id = id, "the code behind this request panicked");
            let response = error::plain(HttpResponse::InternalServerError(), "server_error", "The server failed.");
            ServiceResponse::new(http_request.clone(), response).map_into_right_body()
        }
    };

    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "no-referrer");
    set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    if is_https {
        set("strict-transport-security", "max-age=63072000");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    // The path alone: a query is never ours, and could hold what a careless client put there.
    tracing::debug!(
        request.id = id,
        method = %http_request.method(),
        path = http_request.path(),
        status = response.status().as_u16(),
        microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    Ok(response)
}

fn presented_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let sound = (8..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    sound.then(|| id.to_owned())
}
