//! `POST /oauth2/introspect` (RFC 7662).

use actix_web::{HttpResponse, web};

use super::error::{Error, uncached};
use super::request::AuthenticatedForm;
use crate::metrics::OTHER;
use crate::oauth::Provider;

pub async fn introspect(
    provider: web::Data<Provider>,
    request: Result<AuthenticatedForm, Error>,
) -> Result<HttpResponse, Error> {
    let outcome = match request {
        Ok(request) => provider.introspect(&request.credentials, &request.form).await.map_err(Error::from),
        Err(error) => Err(error),
    };
    let outcome_name = match &outcome {
        Ok(response) if response.active => "active",
        Ok(_) => "inactive",
        Err(error) => error.code(),
    };
    provider.metrics.introspections.count(OTHER, outcome_name);
    Ok(uncached(&mut HttpResponse::Ok()).json(outcome?))
}
