//! `POST /oauth2/token` (RFC 6749 §3.2, §5.1).

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::AuthenticatedForm;
use crate::oauth::Provider;

pub async fn token(provider: web::Data<Provider>, request: AuthenticatedForm) -> Result<HttpResponse, Error> {
    let AuthenticatedForm { form, credentials, origin } = request;
    let response = provider.token(&credentials, &form, &origin).await?;
    Ok(uncached(&mut HttpResponse::Ok()).json(response))
}
