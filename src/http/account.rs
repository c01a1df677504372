//! `POST /account/password`: what a user may do alone.

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::SubmittedForm;
use crate::oauth::Provider;

pub async fn password(provider: web::Data<Provider>, request: SubmittedForm) -> Result<HttpResponse, Error> {
    let SubmittedForm { form, origin } = request;
    provider.change_own_password(&form, &origin).await?;
    Ok(uncached(&mut HttpResponse::NoContent()).finish())
}
