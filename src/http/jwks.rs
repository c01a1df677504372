//! `GET /.well-known/jwks.json` (RFC 7517 §5).

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, USER_AGENT,
};
use actix_web::{HttpRequest, HttpResponse, web};

use super::{caching, client_address};
use crate::oauth::client_authentication::PresentedCredentials;
use crate::oauth::{PresentedVerifier, Provider};
use crate::protocol::audience;
use crate::protocol::form::Form;

/// From memory alone: it answers with the database down, too. Credentials are not needed; those of a resource server only
/// let the fetch be remembered under its name.
pub async fn jwks(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    let document = provider.keys.document();
    // HEAD gives no keys; 304 says that the caller has them.
    if request.method() == Method::GET {
        provider.key_set_fetches.note(verifier(&request), provider.clock.now(), document.newest_key_at);
    }
    let unchanged = caching::is_known(&request, &document.etag);
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((CACHE_CONTROL, format!("public, max-age={}", document.max_age)))
        .insert_header((ETAG, document.etag.clone()))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if unchanged {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, "application/jwk-set+json")).body(document.body.clone())
}

fn verifier(request: &HttpRequest) -> PresentedVerifier {
    let header = |name: HeaderName| request.headers().get(name);
    let form = Form::parse(request.query_string().as_bytes()).unwrap_or_default();
    let credentials = header(AUTHORIZATION)
        .and_then(|value| PresentedCredentials::from_request(Some(value.as_bytes()), &Form::default()).ok());
    PresentedVerifier {
        credentials: credentials.filter(could_be_a_resource_servers),
        hint: form.optional("rs").filter(|hint| audience::check(hint).is_ok()).map(str::to_owned),
        agent: header(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned),
        address: client_address::of(request),
    }
}

/// Nothing else needs to be kept until it is looked up.
fn could_be_a_resource_servers(credentials: &PresentedCredentials) -> bool {
    const LONGEST_SECRET: usize = 256;
    audience::check(&credentials.identifier).is_ok()
        && credentials.secret().is_some_and(|secret| secret.expose().len() <= LONGEST_SECRET)
}
