//! The administration API, on a listener of its own: `/admin/v1` with every operation of `admin/operations`, each for the scope
//! that it names, and the documents that describe it. Without a token there is health, and nothing else.

mod access;
mod call;
mod etag;
mod metrics;
mod openapi;
mod problem;
mod reference;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, web};

pub use openapi::document as openapi;
use problem::Problem;
pub use reference::page as reference;

use super::observation::{ADMINISTRATION, Listener, Template};
use super::{get, health, only};
use crate::admin::operation::{Operation, Verb, Visitor};
use crate::admin::operations;
use crate::oauth::Provider;

/// Where every path begins.
const ROOT: &str = "/admin/v1";

/// The routes of each path, with their methods.
#[derive(Default)]
struct Resources(BTreeMap<&'static str, Vec<(Verb, Route)>>);

impl Visitor for Resources {
    fn visit<O: Operation>(&mut self) {
        let route = method(O::VERB).to(call::call::<O>);
        self.0.entry(O::PATH).or_default().push((O::VERB, route));
    }
}

/// Every route of the administration listener.
pub fn routes(provider: &Arc<Provider>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let provider = web::Data::from(provider.clone());
    move |app| {
        app.app_data(provider).app_data(Listener(ADMINISTRATION));
        let mut resources = Resources::default();
        operations::each(&mut resources);
        for (path, routes) in resources.0 {
            app.service(resource(&format!("{ROOT}{path}"), routes));
        }
        app.service(only(Method::GET, &format!("{ROOT}/openapi.json"), get().to(openapi_json)))
            .service(only(Method::GET, &format!("{ROOT}/reference"), get().to(reference_page)))
            .service(only(Method::GET, "/metrics", get().to(metrics::metrics)))
            .service(only(Method::GET, "/healthz", get().to(health::alive)))
            .service(only(Method::GET, "/readyz", get().to(health::ready)))
            .default_service(web::to(|request: HttpRequest| async move {
                access::any(&request).await?;
                Err::<HttpResponse, Problem>(Problem::NoResource)
            }));
    }
}

fn resource(path: &str, routes: Vec<(Verb, Route)>) -> Resource {
    let mut allowed = Vec::new();
    let mut resource = web::resource(path.to_owned()).app_data(Template::new(path));
    for (verb, route) in routes {
        allowed.push(name(verb));
        resource = resource.route(route);
    }
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move |request: HttpRequest| {
        let allowed = allowed.clone();
        async move {
            access::any(&request).await?;
            Err::<HttpResponse, Problem>(Problem::Method { allowed })
        }
    }))
}

fn method(verb: Verb) -> Route {
    match verb {
        Verb::Get => get(),
        Verb::Post => web::post(),
        Verb::Patch => web::patch(),
        Verb::Delete => web::delete(),
    }
}

fn name(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET, HEAD",
        Verb::Post => "POST",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
    }
}

async fn openapi_json(request: HttpRequest) -> Result<HttpResponse, Problem> {
    access::any(&request).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(openapi()))
}

async fn reference_page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    access::any(&request).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-cache")).insert_header((CONTENT_TYPE, "text/html; charset=utf-8"));
    answer.insert_header((header::CONTENT_SECURITY_POLICY, reference::content_security_policy()));
    Ok(answer.body(reference()))
}

/// What may be asked of a path, for whoever asked for something else.
fn allow(allowed: &str) -> (header::HeaderName, String) {
    (ALLOW, allowed.to_owned())
}
