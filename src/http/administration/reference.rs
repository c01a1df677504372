//! The OpenAPI document as a page to read: one file of HTML, without scripts, fonts or pictures from anywhere.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::openapi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}\
    code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f5f5f2;padding:.7rem;overflow:auto}\
    h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin-bottom:.2rem}\
    .verb{display:inline-block;min-width:4.5rem;font-weight:600}.scope{color:#555;font-size:14px;font-weight:400}\
    table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.15rem .8rem .15rem 0}\
    @media(prefers-color-scheme:dark){body{background:#161616;color:#e4e4e4}pre{background:#222}.scope{color:#aaa}}";

/// What the page needs is itself and its style, which its hash names.
pub fn content_security_policy() -> String {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'")
}

/// The whole page.
pub fn page() -> String {
    let document = openapi::document();
    let mut html = String::new();
    let title = format!("signet {}", text(&document["info"]["version"]));
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}: endpoints</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1><p>{}</p>",
        escaped(text(&document["info"]["description"]))
    );
    let empty = Map::new();
    let paths = document["paths"].as_object().unwrap_or(&empty);
    let mut tag = "";
    for (path, operations) in paths {
        for (verb, operation) in operations.as_object().unwrap_or(&empty) {
            let own = text(&operation["tags"][0]);
            if own != tag {
                let _ = write!(html, "<h2>{}</h2>", escaped(own));
                tag = own;
            }
            write_operation(&mut html, path, verb, operation);
        }
    }
    let _ = write!(html, "<h2>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap_or(&empty) {
        let _ = write!(
            html,
            "<h3 id=\"{0}\">{0}</h3><p>{1}</p>{2}",
            escaped(name),
            escaped(text(&schema["description"])),
            members(schema)
        );
    }
    html.push_str("</body></html>");
    html
}

fn write_operation(html: &mut String, path: &str, verb: &str, operation: &Value) {
    let id = text(&operation["operationId"]);
    let scope = text(&operation["security"][0]["administrator"][0]);
    let scope = if scope.is_empty() { String::new() } else { format!(" <span class=\"scope\">{scope}</span>") };
    let _ = write!(
        html,
        "<h3 id=\"{id}\"><code><span class=\"verb\">{}</span>{}</code>{scope}</h3><p>{}</p>",
        verb.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"]))
    );
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        html.push_str("<table>");
        for parameter in parameters {
            let _ = write!(
                html,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escaped(text(&parameter["name"])),
                escaped(text(&parameter["in"])),
                escaped(text(&parameter["description"]))
            );
        }
        html.push_str("</table>");
    }
    if let Some(content) = operation["requestBody"]["content"].as_object().and_then(|content| content.values().next()) {
        let _ = write!(html, "<p>Body: {}</p>", kind(&content["schema"]));
        if content["schema"]["$ref"].is_null() {
            html.push_str(&members(&content["schema"]));
        }
    }
    let statuses: Vec<&str> =
        operation["responses"].as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default();
    let done =
        operation["responses"].as_object().and_then(|all| all.iter().find(|(status, _)| status.starts_with('2')));
    let schema = done.map(|(_, done)| &done["content"]["application/json"]["schema"]);
    if let Some(schema) = schema.filter(|schema| !schema.is_null()) {
        let _ = write!(html, "<p>Answer: {}</p>{}", kind(schema), members(schema));
    }
    let _ = write!(html, "<p>Statuses: {}</p>", statuses.join(", "));
}

/// The members of an object, a line each; those of every part where it is put together.
fn members(schema: &Value) -> String {
    let parts = schema["allOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parts.is_empty() {
        return parts.iter().map(members).collect();
    }
    if !schema["$ref"].is_null() {
        return format!("<p>all of {}</p>", kind(schema));
    }
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return String::new();
    };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    let mut html = String::from("<table>");
    for (name, property) in properties {
        let _ = write!(
            html,
            "<tr><td><code>{}</code></td><td>{}{}</td><td>{}</td></tr>",
            escaped(name),
            kind(property),
            if required.contains(&name.as_str()) { "" } else { ", optional" },
            escaped(text(&property["description"]))
        );
    }
    html.push_str("</table>");
    html
}

/// What a value is, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    if let Some(options) = schema["oneOf"].as_array() {
        return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<&str> = values.iter().map(text).collect();
        return escaped(&values.join(" | "));
    }
    let named: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect(),
        one => vec![text(one)],
    };
    let items = if schema["items"].is_null() { String::new() } else { format!(" of {}", kind(&schema["items"])) };
    let format = schema["format"].as_str().map(|format| format!(" ({format})")).unwrap_or_default();
    format!("{}{}{items}", escaped(&named.join(" or ")), escaped(&format))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
