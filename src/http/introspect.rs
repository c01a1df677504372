//! `POST /oauth2/introspect` (RFC 7662).

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::AuthenticatedForm;
use crate::oauth::Provider;

pub async fn introspect(provider: web::Data<Provider>, request: AuthenticatedForm) -> Result<HttpResponse, Error> {
    let response = provider.introspect(&request.credentials, &request.form).await?;
    Ok(uncached(&mut HttpResponse::Ok()).json(response))
}
