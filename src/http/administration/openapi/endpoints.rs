//! The issuer's own endpoints in the OpenAPI document: what clients and APIs use.

use serde_json::{Map, Value, json};

/// How a refusal of the token endpoint looks (RFC 6749 §5.2).
pub fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error", "error_description"],
        "properties": { "error": { "type": "string" }, "error_description": { "type": "string" } },
    })
}

pub fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    let mut add = |path: &str, operations: Value| paths.insert(path.to_owned(), operations);
    add(
        "/oauth2/token",
        form(
            "RequestToken",
            "Issues tokens (RFC 6749 §3.2) for the grant types client_credentials, password and refresh_token.",
            &[
                ("grant_type", true),
                ("scope", false),
                ("resource", false),
                ("username", false),
                ("password", false),
                ("refresh_token", false),
                ("client_id", false),
                ("client_secret", false),
            ],
            ("200", "application/json", &token_response()),
            &["400", "401", "405", "408", "413", "429", "500", "503"],
        ),
    );
    add(
        "/oauth2/introspect",
        form(
            "IntrospectToken",
            "Says whether a token is active, to the API that it is for or the client that it was issued to (RFC 7662).",
            &[("token", true), ("token_type_hint", false), ("client_id", false), ("client_secret", false)],
            (
                "200",
                "application/json",
                &json!({
                    "type": "object",
                    "required": ["active"],
                    "properties": {
                        "active": { "type": "boolean" },
                        "scope": { "type": "string" },
                        "client_id": { "type": "string" },
                        "username": { "type": "string" },
                        "token_type": { "type": "string" },
                        "exp": { "type": "integer" },
                        "iat": { "type": "integer" },
                        "sub": { "type": "string" },
                        "aud": { "type": "string" },
                        "iss": { "type": "string" },
                        "jti": { "type": "string" },
                    },
                }),
            ),
            &["400", "401", "405", "408", "413", "500", "503"],
        ),
    );
    add(
        "/oauth2/revoke",
        form(
            "RevokeOwnToken",
            "Revokes a token of the client that asks, and its whole grant (RFC 7009).",
            &[("token", true), ("token_type_hint", false), ("client_id", false), ("client_secret", false)],
            ("200", "", &Value::Null),
            &["400", "401", "405", "408", "413", "500", "503"],
        ),
    );
    add(
        "/account/password",
        form(
            "ChangeOwnPassword",
            "Changes a user's own password and revokes all of the user's grants.",
            &[("username", true), ("password", true), ("new_password", true)],
            ("204", "", &Value::Null),
            &["400", "405", "408", "413", "429", "500", "503"],
        ),
    );
    for (path, name, summary, media_type) in DOCUMENTS {
        add(path, get(name, summary, media_type, path.contains("{id}")));
    }
    paths
}

const DOCUMENTS: [(&str, &str, &str, &str); 8] = [
    (
        "/.well-known/jwks.json",
        "GetJwks",
        "The keys that tokens are verified with (RFC 7517).",
        "application/jwk-set+json",
    ),
    (
        "/.well-known/oauth-authorization-server",
        "GetMetadata",
        "What this issuer is and can (RFC 8414).",
        "application/json",
    ),
    (
        "/.well-known/openid-configuration",
        "GetOpenidConfiguration",
        "The same where OpenID Connect looks for it.",
        "application/json",
    ),
    (
        "/status-lists",
        "GetStatusLists",
        "The status lists that there are (Token Status List §9.3).",
        "application/json",
    ),
    (
        "/status-lists/{id}",
        "GetStatusList",
        "A status list: which tokens are revoked (Token Status List §8).",
        "application/statuslist+jwt",
    ),
    (
        "/status-lists/{id}/changes",
        "FollowStatusList",
        "Revocations as they happen, as server-sent events.",
        "text/event-stream",
    ),
    ("/healthz", "GetHealth", "Whether the process runs.", "application/json"),
    ("/readyz", "GetReadiness", "Whether token requests can be answered.", "application/json"),
];

fn form(
    name: &str,
    summary: &str,
    fields: &[(&str, bool)],
    (status, media_type, schema): (&str, &str, &Value),
    refusals: &[&str],
) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|(field, _)| ((*field).to_owned(), json!({ "type": "string" }))).collect();
    let required: Vec<&str> = fields.iter().filter(|(_, required)| *required).map(|(field, _)| *field).collect();
    let schema_of_form = json!({ "type": "object", "properties": properties, "required": required });
    let mut responses = refused(refusals);
    responses[status] = if media_type.is_empty() {
        json!({ "description": "It was done." })
    } else {
        json!({ "description": "It was done.", "content": { media_type: { "schema": schema } } })
    };
    json!({
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": ["oauth"],
            "security": [{}, { "client": [] }],
            "requestBody": {
                "required": true,
                "content": { "application/x-www-form-urlencoded": { "schema": schema_of_form } },
            },
            "responses": responses,
        },
    })
}

fn get(name: &str, summary: &str, media_type: &str, is_one_of_many: bool) -> Value {
    let mut responses = refused(if is_one_of_many { &["404", "405", "503"] } else { &["405", "503"] });
    responses["200"] = json!({ "description": "The document.", "content": { media_type: {} } });
    responses["304"] = json!({ "description": "It is as the caller has it." });
    let parameters = if is_one_of_many {
        json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }])
    } else {
        json!([])
    };
    json!({
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["documents"],
            "security": [],
            "parameters": parameters,
            "responses": responses,
        },
    })
}

fn refused(statuses: &[&str]) -> Value {
    let refusal = json!({
        "description": "It was not done (RFC 6749 §5.2).",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/OAuthError" } } },
    });
    statuses.iter().map(|status| ((*status).to_owned(), refusal.clone())).collect()
}

fn token_response() -> Value {
    json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": { "type": "string" },
            "token_type": { "type": "string" },
            "expires_in": { "type": "integer" },
            "refresh_token": { "type": "string" },
            "scope": { "type": "string" },
        },
    })
}
