//! Plain HTTP beside TLS: a listener that only sends browsers and curious people to the issuer's own address, and answers an
//! authority's `http-01` challenges (RFC 8555 §8.3). No endpoint is here: a token or password that came over plain HTTP is
//! refused, for a client that is redirected silently would go on sending them so.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::{plain, uncached};
use super::get;
use crate::certificate::Shown;
use crate::protocol::issuer::Issuer;

/// The issuer's scheme, host and port.
struct Target(String);

pub fn routes(issuer: &Issuer, shown: Option<&Arc<Shown>>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let target = web::Data::new(Target(issuer.origin().to_owned()));
    let shown = shown.cloned();
    move |app| {
        app.app_data(target);
        if let Some(shown) = shown {
            app.app_data(web::Data::from(shown)).service(
                web::resource("/.well-known/acme-challenge/{token}")
                    .route(get().to(challenge))
                    .default_service(web::to(redirect)),
            );
        }
        app.default_service(web::to(redirect));
    }
}

async fn challenge(shown: web::Data<Shown>, token: web::Path<String>) -> HttpResponse {
    match shown.key_authorization(&token) {
        Some(authorization) => {
            let mut answer = HttpResponse::Ok();
            uncached(&mut answer).insert_header((CONTENT_TYPE, "application/octet-stream")).body(authorization)
        }
        None => plain(HttpResponse::NotFound(), "not_found", "No such challenge."),
    }
}

/// Never to the `Host` that was named: to the configured issuer alone.
async fn redirect(request: HttpRequest, target: web::Data<Target>) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "Nothing is taken over plain HTTP: use https. If a password, secret or token was sent, consider it known to others.";
        return plain(HttpResponse::Forbidden(), "invalid_request", text);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    HttpResponse::PermanentRedirect().insert_header((LOCATION, format!("{}{path}", target.0))).finish()
}
