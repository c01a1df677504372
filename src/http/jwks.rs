//! `GET /.well-known/jwks.json` (RFC 7517 §5).

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::oauth::Provider;

/// From memory alone: it answers with the database down, too.
pub async fn jwks(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    let document = provider.keys.document();
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut answer = match known {
        Some(known) if names(known, &document.etag) => HttpResponse::NotModified(),
        _ => HttpResponse::Ok(),
    };
    answer
        .insert_header((CACHE_CONTROL, format!("public, max-age={}", document.max_age)))
        .insert_header((ETAG, document.etag.clone()))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if known.is_some_and(|known| names(known, &document.etag)) {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, "application/jwk-set+json")).body(document.body.clone())
}

/// Whether an `If-None-Match` value names the tag; compared weakly (RFC 9110 §13.1.2).
fn names(presented: &str, etag: &str) -> bool {
    presented.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
