//! HTTP: routes, reading requests, writing answers, TLS and shutdown. actix is named only here; the rules are in `oauth`.

mod account;
pub mod administration;
mod caching;
mod client_address;
mod connection;
mod error;
mod framing;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod http2;
mod http2_answer;
mod introspect;
mod jwks;
mod limits;
mod metadata;
mod observation;
mod protocols;
mod redirect;
mod request;
mod revoke;
mod server;
mod status_changes;
mod status_lists;
mod stopping;
mod token;
mod transaction;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpResponse, Resource, Route, guard, web};

pub use limits::{ADMINISTRATORS, Bounds, Gates};
use observation::{ISSUER, Listener, Template};
pub use server::{Limits, Listening, Stop, listen, listen_for_administrators, listen_to_redirect};
use status_changes::Listeners;

use crate::oauth::Provider;

/// Every route. The issuer's own path comes before each; the metadata of RFC 8414 has its well-known part before that.
fn routes(provider: &Arc<Provider>, listeners: &Listeners) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let issuer = &provider.issuer;
    let path = issuer.path().to_owned();
    let provider = web::Data::from(provider.clone());
    let listeners = web::Data::new(listeners.clone());
    move |app| {
        let at = |suffix: &str| format!("{path}{suffix}");
        app.app_data(provider)
            .app_data(listeners)
            .app_data(Listener(ISSUER))
            .service(only(Method::POST, &at("/oauth2/token"), web::post().to(token::token)))
            .service(only(Method::POST, &at("/oauth2/introspect"), web::post().to(introspect::introspect)))
            .service(only(Method::POST, &at("/oauth2/revoke"), web::post().to(revoke::revoke)))
            .service(only(Method::POST, &at("/account/password"), web::post().to(account::password)))
            .service(only(Method::GET, &at("/.well-known/jwks.json"), get().to(jwks::jwks)))
            .service(only(Method::GET, &at("/.well-known/openid-configuration"), get().to(metadata::metadata)))
            .service(only(Method::GET, &at("/.well-known/oauth-authorization-server"), get().to(metadata::metadata)))
            .service(only(Method::GET, &at("/status-lists"), get().to(status_lists::aggregation)))
            .service(only(Method::GET, &at("/status-lists/{id}"), get().to(status_lists::list)))
            .service(only(Method::GET, &at("/status-lists/{id}/changes"), get().to(status_changes::changes)))
            .service(only(Method::GET, "/healthz", get().to(health::alive)))
            .service(only(Method::GET, "/readyz", get().to(health::ready)));
        if !path.is_empty() {
            for document in ["oauth-authorization-server", "openid-configuration"] {
                let inserted = format!("/.well-known/{document}{path}");
                app.service(only(Method::GET, &inserted, get().to(metadata::metadata)));
            }
        }
        app.default_service(web::to(|| async {
            error::plain(HttpResponse::NotFound(), "not_found", "No such resource.")
        }));
    }
}

/// GET and HEAD; the server leaves out the body of the latter.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A resource with one route; other methods get 405 and are told which one it is.
fn only(method: Method, path: &str, route: Route) -> Resource {
    let allowed = if method == Method::GET { "GET, HEAD" } else { "POST" };
    web::resource(path.to_owned()).app_data(Template::new(path)).route(route).default_service(web::to(
        move || async move {
            let mut answer = HttpResponse::MethodNotAllowed();
            answer.insert_header(("Allow", allowed));
            error::plain(answer, "invalid_request", "The method is not allowed here.")
        },
    ))
}
