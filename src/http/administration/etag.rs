//! Versions of things as entity tags (RFC 9110 §8.8.3), and what a request expects of them.

use actix_web::HttpRequest;
use actix_web::http::header::IF_MATCH;

use super::problem::{Place, Problem};

/// The tag of a version. It is strong: the same tag, the same contents.
pub fn of(version: &str) -> String {
    format!("\"{version}\"")
}

/// The versions that `If-Match` names. `None`: any will do.
pub fn expected(request: &HttpRequest) -> Result<Option<Vec<String>>, Problem> {
    let mut versions = Vec::new();
    for header in request.headers().get_all(IF_MATCH) {
        for tag in header.to_str().unwrap_or_default().split(',').map(str::trim) {
            match tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(version) => versions.push(version.to_owned()),
                None if tag == "*" => return Ok(None),
                // A weak one never matches (RFC 9110 §13.1.1).
                None if tag.starts_with("W/") => versions.push(String::new()),
                None => {
                    let place = Place::Parameter("If-Match".to_owned());
                    return Err(Problem::Malformed { place, detail: "If-Match is no list of entity tags".to_owned() });
                }
            }
        }
    }
    Ok((!versions.is_empty()).then_some(versions))
}
