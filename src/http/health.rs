//! `/healthz` (the process runs) and `/readyz` (it can answer token requests).

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::error::uncached;
use super::stopping::Stopping;
use crate::oauth::Provider;
use crate::protocol::jwk::Algorithm;

pub async fn alive() -> HttpResponse {
    uncached(&mut HttpResponse::Ok()).json(json!({ "alive": true }))
}

/// 503 when the database has not answered for two seconds, there is no key to sign with, or the server is about to stop.
pub async fn ready(request: HttpRequest, provider: web::Data<Provider>) -> HttpResponse {
    let database = provider.directory.is_confirmed();
    let signing_key = provider.keys.ring().signing_key(Algorithm::ES256, provider.clock.now()).is_some();
    let stopping = request.app_data::<Stopping>().is_some_and(Stopping::is_announced);
    let ready = database && signing_key && !stopping;
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let mut reasons = json!({ "ready": ready, "database": database, "signing_key": signing_key });
    if stopping {
        reasons["stopping"] = true.into();
    }
    uncached(&mut answer).json(reasons)
}
