//! The OpenAPI 3.1 document: every operation of the administration, and the endpoints of the issuer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams as _, PartialSchema as _, ToSchema as _};

use super::ROOT;
use crate::admin::operation::{Access, Answer as _, Body as _, Kind, Operation, PathParameter as _, Verb, Visitor};
use crate::admin::operations;

mod endpoints;

/// What is gathered of the operations.
#[derive(Default)]
struct Document {
    paths: BTreeMap<String, Map<String, Value>>,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

impl Visitor for Document {
    fn visit<O: Operation>(&mut self) {
        let mut schemas = Vec::new();
        O::Answer::components(&mut schemas);
        let mut responses = responses::<O>();
        let created = if O::KIND == Kind::Create { "201" } else { "200" };
        responses[created] = json!({
            "description": if O::KIND == Kind::Create { "It was made." } else { "It was done." },
            "headers": headers(O::KIND),
            "content": { "application/json": { "schema": O::Answer::schema() } },
        });
        let mut operation = json!({
            "operationId": O::NAME,
            "summary": O::SUMMARY,
            "tags": [tag(O::PATH)],
            "parameters": parameters::<O>(),
            "responses": responses,
            "security": [{ "administrator": [O::ACCESS.scope()] }],
        });
        if O::Body::EXPECTED {
            O::Body::schemas(&mut schemas);
            let name = O::Body::name().into_owned();
            let reference = json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } });
            let mut content = json!({ "application/json": reference });
            if O::VERB == Verb::Patch {
                content["application/merge-patch+json"] = reference;
            }
            operation["requestBody"] = json!({ "required": true, "content": content });
            schemas.push((name, O::Body::schema()));
        }
        self.schemas.extend(schemas);
        let verb = format!("{:?}", O::VERB).to_lowercase();
        self.paths.entry(format!("{ROOT}{}", O::PATH)).or_default().insert(verb, operation);
    }
}

/// The whole document.
pub fn document() -> Value {
    let mut document = Document::default();
    operations::each(&mut document);
    let mut paths: Map<String, Value> =
        document.paths.into_iter().map(|(path, operations)| (path, Value::Object(operations))).collect();
    paths.extend(endpoints::paths());
    let mut schemas = json!(document.schemas);
    schemas["Problem"] = problem();
    schemas["OAuthError"] = endpoints::error();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "signet",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An OAuth 2 token provider. Paths below /admin/v1 are served on a listener of their own \
                (SIGNET_ADMIN_LISTEN), the others below the issuer. Times are RFC 3339 in UTC, durations whole seconds.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "It was not done (RFC 9457).",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
            "securitySchemes": {
                "administrator": {
                    "type": "oauth2",
                    "description": "An access token of this issuer for the audience ISSUER/admin (RFC 6750).",
                    "flows": { "clientCredentials": { "tokenUrl": "/oauth2/token", "scopes": scopes() } },
                },
                "client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The client's identifier and secret (RFC 6749 §2.3.1).",
                },
            },
        },
    })
}

fn scopes() -> Value {
    Access::ALL.into_iter().map(|access| (access.scope().to_owned(), json!(access.meaning()))).collect()
}

/// The first part of the path, as people write it.
fn tag(path: &str) -> String {
    path.trim_start_matches('/').split('/').next().unwrap_or_default().replace('-', " ")
}

fn parameters<O: Operation>() -> Vec<Value> {
    let mut parameters = Vec::new();
    if let (Some(format), Some(start), Some(end)) = (O::Path::FORMAT, O::PATH.find('{'), O::PATH.find('}')) {
        let mut schema = json!({ "type": "string", "minLength": 1 });
        if !format.is_empty() {
            schema["format"] = json!(format);
        }
        parameters.push(json!({
            "name": &O::PATH[start + 1..end],
            "in": "path",
            "required": true,
            "schema": schema,
        }));
    }
    parameters.extend(O::Query::into_params(|| Some(ParameterIn::Query)).into_iter().map(|parameter| json!(parameter)));
    let header = |name: &str, description: &str| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema })
    };
    match O::KIND {
        Kind::Update => parameters.push(header("If-Match", "Only if it still has one of these entity tags.")),
        Kind::Create => parameters.push(header(
            "Idempotency-Key",
            "A name of this request, of your choice: sent again within 24 hours, it is answered the same and done once.",
        )),
        Kind::List | Kind::Show | Kind::Act => {}
    }
    parameters
}

fn headers(kind: Kind) -> Value {
    let header = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    match kind {
        Kind::List => json!({ "Link": header("The next page, with rel=\"next\" (RFC 8288).") }),
        Kind::Show | Kind::Update => json!({ "ETag": header("The version, for If-Match.") }),
        Kind::Create => json!({ "Location": header("Where it is."), "ETag": header("Its version, for If-Match.") }),
        Kind::Act => json!({}),
    }
}

/// Every way in which it is not done.
fn responses<O: Operation>() -> Value {
    let mut codes = vec!["400", "401", "403", "500", "503"];
    if O::Path::FORMAT.is_some() || O::VERB != Verb::Get || O::KIND == Kind::List {
        codes.push("404");
    }
    if O::VERB != Verb::Get {
        codes.extend(["408", "409", "413"]);
    } else if O::Path::FORMAT.is_some() {
        codes.push("409");
    }
    if O::Body::EXPECTED {
        codes.push("415");
    }
    match O::KIND {
        Kind::Update => codes.push("412"),
        Kind::Create => codes.push("422"),
        Kind::List | Kind::Show | Kind::Act => {}
    }
    codes.into_iter().map(|code| (code.to_owned(), json!({ "$ref": "#/components/responses/Problem" }))).collect()
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "A word for programs." },
            "detail": { "type": "string", "description": "What is wrong and what to do, for people." },
            "errors": {
                "type": "array",
                "description": "Each fault with its place: a JSON pointer (RFC 6901) into the body, or a parameter.",
                "items": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {
                        "pointer": { "type": "string" },
                        "parameter": { "type": "string" },
                        "detail": { "type": "string" },
                    },
                },
            },
        },
    })
}
