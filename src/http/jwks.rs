//! `GET /.well-known/jwks.json` (RFC 7517 §5).

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, web};

use super::caching;
use crate::oauth::Provider;

/// From memory alone: it answers with the database down, too.
pub async fn jwks(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    let document = provider.keys.document();
    let unchanged = caching::is_known(&request, &document.etag);
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((CACHE_CONTROL, format!("public, max-age={}", document.max_age)))
        .insert_header((ETAG, document.etag.clone()))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if unchanged {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, "application/jwk-set+json")).body(document.body.clone())
}
