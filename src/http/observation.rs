//! What is seen of a request from outside: how long it took, by route and class of status, and its span. A resource carries
//! its route with it, so that a finished request costs one look-up by type and two additions, and no text is made.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web;
use opentelemetry::KeyValue;

use crate::metrics::{Durations, Requests};
use crate::oauth::Provider;
use crate::spans::{Incoming, ServerSpan};

/// As the `listener` label has it; held by each app.
#[derive(Clone, Copy, Debug)]
pub struct Listener(pub &'static str);

/// What no resource took.
pub const UNROUTED: &str = "none";

/// The template of a resource, held by it, and its histograms once a worker has answered a request with it.
#[derive(Debug)]
pub struct Template {
    text: String,
    durations: OnceLock<Arc<Durations>>,
}

impl Template {
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), durations: OnceLock::new() }
    }

    fn durations(&self, requests: &Requests, listener: &'static str) -> &Durations {
        self.durations.get_or_init(|| requests.of(listener, &self.text))
    }
}

/// Those of RFC 9110 §9.3 and RFC 5789 that ever come here.
const KNOWN_METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// A method that is known, by its name: what was sent could hold what a careless client put there.
pub fn known_method(method: &Method) -> Option<&'static str> {
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN_METHODS.iter().position(|known| known == method).map(|at| names[at])
}

/// A request that is being answered.
pub struct Observation {
    began: Instant,
    method: Option<&'static str>,
    pub span: ServerSpan,
}

impl Observation {
    pub fn begin(request: &ServiceRequest) -> Self {
        let method = known_method(request.method());
        let span = ServerSpan::begin(method.unwrap_or("HTTP"), || incoming(request.headers()));
        Self { began: Instant::now(), method, span }
    }

    /// Of a request that was answered.
    pub fn end(self, response: &ServiceResponse<impl Sized>, provider: Option<&Provider>, id: &str) {
        let request = response.request();
        let template = request.app_data::<Template>();
        let listener = request.app_data::<Listener>().map_or(UNROUTED, |listener| listener.0);
        let status = response.status().as_u16();
        if let Some(provider) = provider {
            let requests = &provider.metrics.requests;
            let took = self.began.elapsed();
            match template {
                Some(template) => template.durations(requests, listener).observe(status, took),
                None => requests.of(listener, UNROUTED).observe(status, took),
            }
        }
        let version = match request.version() {
            actix_web::http::Version::HTTP_2 => "2",
            actix_web::http::Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        let route = template.map(|template| template.text.as_str());
        describe(self.span, (self.method, route, Some(version)), status, (provider, listener, id));
    }

    /// Of one whose code panicked: the request is gone with it, and with it its route.
    pub fn panicked(self, provider: Option<&web::Data<Provider>>, (listener, id): (&'static str, &str)) {
        if let Some(provider) = provider {
            provider.metrics.requests.of(listener, UNROUTED).observe(500, self.began.elapsed());
        }
        describe(self.span, (self.method, None, None), 500, (provider.map(|provider| &***provider), listener, id));
    }
}

/// Ends a span with the attributes of OpenTelemetry's conventions for HTTP: nothing of the query, the path as it was sent,
/// a header or a body.
fn describe(
    span: ServerSpan,
    (method, route, version): (Option<&'static str>, Option<&str>, Option<&'static str>),
    status: u16,
    (provider, listener, id): (Option<&Provider>, &'static str, &str),
) {
    span.end(status, || {
        let verb = method.unwrap_or("HTTP");
        let name = route.map_or_else(|| verb.to_owned(), |route| format!("{verb} {route}"));
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            KeyValue::new("signet.listener", listener),
            KeyValue::new("signet.request.id", id.to_owned()),
        ];
        attributes.extend(route.map(|route| KeyValue::new("http.route", route.to_owned())));
        attributes.extend(version.map(|version| KeyValue::new("network.protocol.version", version)));
        // By the issuer's own name: the `Host` header is the client's word.
        if let Some(url) = provider.and_then(|provider| url::Url::parse(provider.issuer.as_str()).ok()) {
            attributes.push(KeyValue::new("url.scheme", url.scheme().to_owned()));
            attributes.extend(url.host_str().map(|host| KeyValue::new("server.address", host.to_owned())));
            let port = url.port_or_known_default().filter(|_| listener == ISSUER);
            attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
        }
        (name, attributes)
    });
}

/// The listener that clients and APIs ask, and the one that administrators do.
pub const ISSUER: &str = "issuer";
pub const ADMINISTRATION: &str = "administration";

fn incoming(headers: &HeaderMap) -> Incoming {
    let all = |name| headers.get_all(name).map(|value| value.as_bytes());
    Incoming::new(all("traceparent"), all("tracestate"))
}
