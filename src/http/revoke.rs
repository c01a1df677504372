//! `POST /oauth2/revoke` (RFC 7009).

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::AuthenticatedForm;
use crate::oauth::Provider;

pub async fn revoke(provider: web::Data<Provider>, request: AuthenticatedForm) -> Result<HttpResponse, Error> {
    provider.revoke(&request.credentials, &request.form).await?;
    Ok(uncached(&mut HttpResponse::Ok()).json(serde_json::json!({})))
}
