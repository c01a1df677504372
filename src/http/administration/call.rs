//! One request of an administrator: who it is, what is asked, what came of it.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, LINK, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::problem::{Place, Problem};
use super::{ROOT, access, etag, request};
use crate::admin::idempotency::{Earlier, NamedRequest};
use crate::admin::operation::{Answer as _, Kind, Operation};
use crate::admin::{Admin, Error};
use crate::http::error::uncached;
use crate::protocol::percent;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub async fn call<O: Operation>(asked: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let mut admin = access::admin(&asked, O::ACCESS).await?;
    let path = request::path::<O>(&asked)?;
    let query = request::query::<O::Query>(&asked)?;
    let (bytes, body) = request::body::<O>(&asked, payload.into_inner()).await?;
    if O::KIND == Kind::Update {
        admin.expected_versions = etag::expected(&asked)?;
    }
    if O::KIND == Kind::Create {
        admin.named = named::<O>(&admin, &asked, &bytes)?;
    }
    if let Some(answer) = earlier::<O>(&admin).await? {
        return Ok(answered::<O>(&asked, &answer));
    }
    let answer = match O::perform(&admin, path, query, body).await {
        // The same request may have come at the same time and been faster: what it made is there then.
        Err(error @ (Error::Repeated | Error::Exists { .. })) => earlier::<O>(&admin).await?.ok_or(error)?,
        answer => answer?,
    };
    Ok(answered::<O>(&asked, &answer))
}

/// The request under the name that it was given.
fn named<O: Operation>(admin: &Admin, asked: &HttpRequest, body: &[u8]) -> Result<Option<NamedRequest>, Problem> {
    let mut headers = asked.headers().get_all(&IDEMPOTENCY_KEY);
    let Some(header) = headers.next() else { return Ok(None) };
    let name = header.to_str().ok().filter(|name| (1..=200).contains(&name.len()) && headers.next().is_none());
    let name = name.ok_or_else(|| Problem::Malformed {
        place: Place::Parameter("Idempotency-Key".to_owned()),
        detail: "the Idempotency-Key must have 1 to 200 printable ASCII characters, and be there once".to_owned(),
    })?;
    let provider = admin.provider.as_deref().ok_or(Problem::Unprepared)?;
    Ok(Some(NamedRequest::new(provider, &admin.actor, name, &[O::NAME.as_bytes(), body])))
}

/// What the named request was answered before.
async fn earlier<O: Operation>(admin: &Admin) -> Result<Option<O::Answer>, Problem> {
    let Some(named) = &admin.named else { return Ok(None) };
    match admin.earlier::<O::Answer>(named).await? {
        Earlier::None => Ok(None),
        Earlier::Same(answer) => Ok(Some(answer)),
        Earlier::Other => Err(Problem::KeyReused),
    }
}

fn answered<O: Operation>(asked: &HttpRequest, answer: &O::Answer) -> HttpResponse {
    let mut response = HttpResponse::build(if O::KIND == Kind::Create { StatusCode::CREATED } else { StatusCode::OK });
    uncached(&mut response);
    match O::KIND {
        Kind::List => link(&mut response, asked, answer.next()),
        Kind::Show | Kind::Update => tag(&mut response, answer.version()),
        Kind::Create => {
            tag(&mut response, answer.version());
            if let Some(name) = answer.named() {
                response.insert_header((LOCATION, format!("{ROOT}{}/{}", O::PATH, percent::encode(&name))));
            }
        }
        Kind::Act => {}
    }
    response.json(answer)
}

fn tag(response: &mut HttpResponseBuilder, version: Option<String>) {
    if let Some(version) = version {
        response.insert_header((ETAG, etag::of(&version)));
    }
}

/// The next page, with the rest of the query as it was (RFC 8288).
fn link(response: &mut HttpResponseBuilder, asked: &HttpRequest, next: Option<&str>) {
    let Some(next) = next else { return };
    let kept = url::form_urlencoded::parse(asked.query_string().as_bytes()).filter(|(name, _)| name != "cursor");
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("cursor", next).finish();
    response.insert_header((LINK, format!("<{}?{query}>; rel=\"next\"", asked.uri().path())));
}
