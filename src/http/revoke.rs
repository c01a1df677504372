//! `POST /oauth2/revoke` (RFC 7009).

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::AuthenticatedForm;
use crate::oauth::Provider;

pub async fn revoke(provider: web::Data<Provider>, request: AuthenticatedForm) -> Result<HttpResponse, Error> {
    let AuthenticatedForm { form, credentials, origin } = request;
    provider.revoke(&credentials, &form, &origin).await?;
    Ok(uncached(&mut HttpResponse::Ok()).json(serde_json::json!({})))
}
