//! `POST /oauth2/token` (RFC 6749 §3.2, §5.1).

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::AuthenticatedForm;
use crate::oauth::Provider;

pub async fn token(
    provider: web::Data<Provider>,
    request: Result<AuthenticatedForm, Error>,
) -> Result<HttpResponse, Error> {
    let (grant_type, outcome) = match request {
        Ok(AuthenticatedForm { form, credentials, origin }) => {
            let outcome = provider.token(&credentials, &form, &origin).await;
            (form.optional("grant_type").map_or_else(String::new, str::to_owned), outcome.map_err(Error::from))
        }
        // What cannot be read names no grant type.
        Err(error) => (String::new(), Err(error)),
    };
    provider.metrics.token_requests.count(&grant_type, outcome.as_ref().map_or_else(Error::code, |_| "success"));
    Ok(uncached(&mut HttpResponse::Ok()).json(outcome?))
}
