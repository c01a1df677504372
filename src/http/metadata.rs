//! Authorization server metadata (RFC 8414) at both well-known paths.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use actix_web::{HttpResponse, web};

use crate::oauth::Provider;
use crate::protocol::metadata::Metadata;

pub async fn metadata(provider: web::Data<Provider>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(Metadata::of(&provider.issuer))
}
