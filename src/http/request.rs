//! Reading requests to the OAuth endpoints strictly: one content type, a bounded body, one `Authorization` header.

use std::pin::Pin;

use actix_web::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev};
use futures_util::StreamExt as _;
use zeroize::Zeroizing;

use super::client_address;
use super::error::Error;
use super::limits;
use super::server::Limits;
use super::transaction::RequestId;
use crate::oauth::client_authentication::PresentedCredentials;
use crate::oauth::{self, Origin, Presence};
use crate::protocol::form::Form;

/// Longest body of a request. The longest honest one, with a password of 1,024 bytes percent-encoded, has a tenth.
const MAX_BODY: usize = 64 * 1024;

/// A form of somebody who is no client.
pub struct SubmittedForm {
    pub form: Form,
    pub origin: Origin,
}

impl FromRequest for SubmittedForm {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Ok(Self { form: form(&request, payload).await?, origin: origin(&request) }) })
    }
}

/// A form with the credentials of whoever sent it.
pub struct AuthenticatedForm {
    pub form: Form,
    pub credentials: PresentedCredentials,
    pub origin: Origin,
}

impl FromRequest for AuthenticatedForm {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let form = form(&request, payload).await?;
            let authorization = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
            let credentials = PresentedCredentials::from_request(authorization, &form)?;
            Ok(Self { form, credentials, origin: origin(&request) })
        })
    }
}

async fn form(request: &HttpRequest, payload: dev::Payload) -> Result<Form, Error> {
    limits::enter(request)?;
    check_headers(request)?;
    let body = read_in_time(request, payload, MAX_BODY).await?;
    limits::begin(request)?;
    Ok(Form::parse(&body).map_err(oauth::Error::from)?)
}

fn check_headers(request: &HttpRequest) -> Result<(), Error> {
    let refused = |text| Err(Error::OAuth(oauth::Error::InvalidRequest(text)));
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let is_form = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let is_utf8 = parts.all(|parameter| parameter.is_empty() || parameter.eq_ignore_ascii_case("charset=utf-8"));
    if !is_form || !is_utf8 {
        return refused("the content type must be application/x-www-form-urlencoded");
    }
    if request.headers().contains_key(CONTENT_ENCODING) {
        return refused("an encoded body is not accepted");
    }
    if request.headers().get_all(AUTHORIZATION).count() > 1 {
        return refused("more than one Authorization header");
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY as u64) { Err(Error::TooLarge) } else { Ok(()) }
}

/// The body, unless it takes longer than `Limits::arrival`: the server's own timeout ends with the head.
pub async fn read_in_time(
    request: &HttpRequest,
    payload: dev::Payload,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Some(limits) = request.app_data::<Limits>() else { return read(payload, most).await };
    tokio::time::timeout(limits.arrival, read(payload, most)).await.map_err(|_| Error::TooSlow)?
}

async fn read(mut payload: dev::Payload, most: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| oauth::Error::InvalidRequest("the body is incomplete"))?;
        if body.len() + chunk.len() > most {
            return Err(Error::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub fn origin(request: &HttpRequest) -> Origin {
    Origin {
        address: client_address::of(request),
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
        presence: presence(request).unwrap_or_default(),
    }
}

fn presence(request: &HttpRequest) -> Option<Presence> {
    // Of the connection by HTTP/1; HTTP/2 says it with each request.
    request.conn_data::<Presence>().cloned().or_else(|| request.extensions().get::<Presence>().cloned())
}
