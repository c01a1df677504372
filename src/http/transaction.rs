//! What every request and answer have in common: an identifier, the security headers, a line in the log, and an answer
//! even when the code behind it panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, web};
use futures_util::FutureExt as _;

use super::error;
use super::limits;
use super::observation::{Listener, Observation, UNROUTED, known_method};
use super::stopping::Stopping;
use crate::oauth::Provider;

/// Names a request in the log and in the audit trail: the caller's own, where it sent a sound one.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// How many requests are being answered.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    pub fn is_none(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// Counts a request until what is answered goes out of scope, however that comes.
    fn begin(&self) -> impl Drop + use<> {
        struct Begun(Arc<AtomicUsize>);
        impl Drop for Begun {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.0.fetch_add(1, Ordering::AcqRel);
        Begun(self.0.clone())
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn transaction(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let began = std::time::Instant::now();
    let _begun = request.app_data::<InFlight>().map(InFlight::begin);
    let stopping = request.app_data::<Stopping>().cloned();
    let provider = request.app_data::<web::Data<Provider>>().cloned();
    let id = presented_id(&request).unwrap_or_else(|| {
        let random = provider.as_ref().map(|provider| provider.entropy.uuid());
        random.unwrap_or_default().simple().to_string()
    });
    request.extensions_mut().insert(RequestId(id.clone()));
    let is_https = provider.as_ref().is_some_and(|provider| provider.issuer.is_https());
    let listener = request.app_data::<Listener>().map_or(UNROUTED, |listener| listener.0);
    let observed = Observation::begin(&request);

    // The router needs the request for itself alone, so none of it may be kept here meanwhile.
    let Ok(outcome) = AssertUnwindSafe(observed.span.around(&id, next.call(request))).catch_unwind().await else {
        tracing::error!(request.id = id, "the code behind this request panicked");
        let mut response = error::plain(HttpResponse::InternalServerError(), "server_error", "The server failed.");
        add_headers(response.headers_mut(), &id, is_https);
        observed.panicked(provider.as_ref(), (listener, &id));
        return Err(InternalError::from_response("panicked", response).into());
    };
    let mut response = outcome?;
    limits::pace(&response).await;
    add_headers(response.headers_mut(), &id, is_https);
    if stopping.is_some_and(|stopping| stopping.is_announced()) {
        // Looked at now, for the request may have taken a while.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    // The method and the route that were recognised, not what was sent: a method, path or query could hold what a
    // careless client put there.
    tracing::debug!(
        request.id = id,
        method = known_method(response.request().method()),
        route = response.request().match_pattern(),
        status = response.status().as_u16(),
        microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    observed.end(&response, provider.as_deref().map(AsRef::as_ref), &id);
    Ok(response)
}

fn add_headers(headers: &mut HeaderMap, id: &str, is_https: bool) {
    let mut set = |name, value| headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "no-referrer");
    if is_https {
        set("strict-transport-security", "max-age=63072000");
    }
    // A page may have one of its own.
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
}

fn presented_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let sound = (8..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    sound.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpServer};

    use super::*;

    async fn panics() -> HttpResponse {
        panic!("a secret")
    }

    #[actix_web::test]
    async fn a_panic_is_answered_and_costs_neither_the_worker_nor_the_connection() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let app = || {
            let works = web::get().to(|| async { HttpResponse::Ok().body("works") });
            App::new().wrap(from_fn(transaction)).route("/panics", web::get().to(panics)).route("/works", works)
        };
        let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let http = reqwest::Client::new();
        for _ in 0..3 {
            let answer = http.get(format!("http://{address}/panics")).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 500);
            for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
                assert_eq!(answer.headers()[name], value);
            }
            assert!(answer.headers().contains_key("x-request-id"));
            let text = answer.text().await.unwrap();
            assert_eq!(text, r#"{"error":"server_error","error_description":"The server failed."}"#);
            let answer = http.get(format!("http://{address}/works")).send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "works");
        }
        handle.stop(false).await;
    }
}
