//! `/healthz` (the process runs) and `/readyz` (it can answer token requests).

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::error::uncached;
use crate::oauth::Provider;
use crate::protocol::jwk::Algorithm;

pub async fn alive() -> HttpResponse {
    uncached(&mut HttpResponse::Ok()).json(json!({ "alive": true }))
}

/// 503 when the database has not answered for two seconds, or there is no key to sign with.
pub async fn ready(provider: web::Data<Provider>) -> HttpResponse {
    let database = provider.directory.is_confirmed();
    let signing_key = provider.keys.ring().signing_key(Algorithm::ES256, provider.clock.now()).is_some();
    let ready = database && signing_key;
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    uncached(&mut answer).json(json!({ "ready": ready, "database": database, "signing_key": signing_key }))
}
