//! Reading what an operation is asked with: the name in the path, the query string, the JSON body. Each fault is told with its
//! place.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, dev};
use serde::de::DeserializeOwned;

use super::ROOT;
use super::problem::{Place, Problem};
use crate::admin::operation::{Body, Operation, PathParameter as _, Query, Verb};
use crate::http::error::Error;
use crate::http::request::read_in_time;
use crate::protocol::percent;

/// Longest body. A thousand imported users with the longest names and hashes have less.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The name in the path, as it was sent: a router would decode `%2F` too early or not at all.
pub fn path<O: Operation>(request: &HttpRequest) -> Result<O::Path, Problem> {
    let sent: Vec<&str> = request.uri().path().split('/').collect();
    let template = format!("{ROOT}{}", O::PATH);
    let place = template.split('/').position(|part| part.starts_with('{'));
    let segment = match place {
        None => None,
        Some(at) => Some(sent.get(at).and_then(|segment| percent::decode(segment)).ok_or(Problem::NoResource)?),
    };
    O::Path::parse(segment).ok_or(Problem::NoResource)
}

pub fn query<Q: Query>(request: &HttpRequest) -> Result<Q, Problem> {
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded(request));
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let place = Place::Parameter(error.path().to_string());
        Problem::Malformed { place, detail: format!("the query string: {}", error.into_inner()) }
    })
}

fn form_urlencoded(request: &HttpRequest) -> url::form_urlencoded::Parse<'_> {
    url::form_urlencoded::parse(request.query_string().as_bytes())
}

/// The body, as bytes and as what it says.
pub async fn body<O: Operation>(
    request: &HttpRequest,
    payload: dev::Payload,
) -> Result<(zeroize::Zeroizing<Vec<u8>>, O::Body), Problem> {
    let bytes = read_in_time(request, payload, MAX_BODY).await.map_err(|error| match error {
        Error::TooLarge => Problem::TooLarge,
        Error::TooSlow => Problem::TooSlow,
        Error::OAuth(_) | Error::Refused(_) => malformed(Place::Request, "the body is incomplete"),
    })?;
    if !O::Body::EXPECTED {
        if !bytes.trim_ascii().is_empty() && bytes.trim_ascii() != b"{}" {
            return Err(malformed(Place::Body(String::new()), "no body is expected here"));
        }
        let nothing = parse(b"null")?;
        return Ok((bytes, nothing));
    }
    check_media_type(request, O::VERB)?;
    let parsed = parse(&bytes)?;
    Ok((bytes, parsed))
}

fn malformed(place: Place, detail: &str) -> Problem {
    Problem::Malformed { place, detail: detail.to_owned() }
}

fn check_media_type(request: &HttpRequest, verb: Verb) -> Result<(), Problem> {
    let expected = if verb == Verb::Patch { "application/merge-patch+json" } else { "application/json" };
    let text = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    let fits = media_type.eq_ignore_ascii_case("application/json") || media_type.eq_ignore_ascii_case(expected);
    if !fits || request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Problem::MediaType(expected));
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        Problem::Malformed { place: Place::Body(pointer), detail: format!("the body: {}", error.into_inner()) }
    })?;
    deserializer.end().map_err(|error| malformed(Place::Body(String::new()), &format!("the body: {error}")))?;
    Ok(parsed)
}

/// A place in a document as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).map(|part| format!("/{part}")).collect()
}
