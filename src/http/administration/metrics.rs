//! `GET /metrics`, in the text format of Prometheus: who uses the password grant, and how busy hashing is. It names clients, so it
//! is for administrators alone; Prometheus gets its token by `oauth2` in its configuration.

use std::fmt::Write as _;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};

use super::access;
use super::problem::Problem;
use crate::admin::operation::Access;
use crate::http::error::uncached;
use crate::oauth::Provider;

pub async fn metrics(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let admin = access::admin(&request, Access::Read).await?;
    let provider = admin.provider.as_deref().ok_or(Problem::Unprepared)?;
    let mut answer = HttpResponse::Ok();
    uncached(&mut answer).insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"));
    Ok(answer.body(text(provider)))
}

fn text(provider: &Provider) -> String {
    let mut text = String::new();
    let describe = |text: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    };
    let logins = "signet_password_grant_logins_total";
    describe(&mut text, logins, "counter", "Logins by the password grant, by client and outcome, since the start.");
    for (client_id, uses) in provider.password_grant_uses.all() {
        let client_id = escaped(&client_id);
        for (outcome, count) in [("success", uses.successes), ("failure", uses.failures)] {
            let _ = writeln!(text, "{logins}{{client_id=\"{client_id}\",outcome=\"{outcome}\"}} {count}");
        }
    }
    let passwords = &provider.passwords;
    for (name, kind, help, value) in [
        (
            "signet_password_hashes_total",
            "counter",
            "Password hashes computed since the start.",
            passwords.computations(),
        ),
        ("signet_password_hashing", "gauge", "Threads that hash a password now.", passwords.hashing()),
        ("signet_password_queue_waiting", "gauge", "Logins that wait for such a thread.", passwords.waiting()),
    ] {
        describe(&mut text, name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
    text
}

/// As the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
