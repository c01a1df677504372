//! The bearer token of a request (RFC 6750 §2.1), and whether it is an administrator's.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, web};

use super::problem::Problem;
use crate::admin::Admin;
use crate::admin::access::administrator;
use crate::admin::operation::Access;
use crate::http::request::origin;
use crate::oauth::Provider;

/// The administrator who asks, to do what `access` is needed for.
pub async fn admin(request: &HttpRequest, access: Access) -> Result<Admin, Problem> {
    let provider = provider(request)?;
    let actor = administrator(&provider, token(request)?, Some(access)).await?;
    Ok(Admin::at(&provider, &actor, origin(request)))
}

/// Lets every administrator in, whatever the scope.
pub async fn any(request: &HttpRequest) -> Result<(), Problem> {
    let provider = provider(request)?;
    administrator(&provider, token(request)?, None).await?;
    Ok(())
}

fn provider(request: &HttpRequest) -> Result<Arc<Provider>, Problem> {
    request.app_data::<web::Data<Provider>>().cloned().map(web::Data::into_inner).ok_or(Problem::Unprepared)
}

/// One header, one scheme, one token. Nothing is read from the query string.
fn token(request: &HttpRequest) -> Result<&str, Problem> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else { return Err(Problem::NoToken) };
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Problem::NoToken)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_ascii()) } else { Err(Problem::NoToken) }
}
