//! Conditional requests (RFC 9110 §13.1.2) and content codings (§12.5.3).

use actix_web::HttpRequest;
use actix_web::http::header::{AcceptEncoding, Encoding, Header as _, IF_NONE_MATCH};

/// Whether the caller has the representation with this entity tag. Compared weakly.
pub fn is_known(request: &HttpRequest, etag: &str) -> bool {
    let presented = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    presented.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether the caller would rather have gzip than the plain form.
pub fn prefers_gzip(request: &HttpRequest) -> bool {
    let gzip = Encoding::gzip();
    let accepted = AcceptEncoding::parse(request).ok();
    accepted
        .is_some_and(|accepted| accepted.negotiate([&gzip, &Encoding::identity()].into_iter()) == Some(gzip.clone()))
}
