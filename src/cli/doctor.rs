//! `signet doctor`: is everything as it must be, and if not, what to do.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Report;
use super::{certificate, compose};
use crate::admin::password_hashes;
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::keys::reseal::{self, Unopened};
use crate::keys::seal::SealError;
use crate::keys::{IssuerSecrets, Keys};
use crate::protocol::issuer::Issuer;
use crate::protocol::jwk::Algorithm;
use crate::store::Store;
use crate::store::migrations::Schema;

/// How far the database's clock may be from ours before it is told. Expiry is judged by ours alone, but several instances
/// judge it by several.
const SKEW: chrono::Duration = chrono::Duration::seconds(5);

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    what: &'static str,
    /// `ok`, `failed`, or `skipped`.
    state: &'static str,
    detail: String,
}

#[derive(Default)]
struct Examination(Vec<Check>);

impl Examination {
    fn note(&mut self, what: &'static str, outcome: Result<String, String>) -> bool {
        let holds = outcome.is_ok();
        let detail = outcome.unwrap_or_else(|fault| fault);
        self.0.push(Check { what, state: if holds { "ok" } else { "failed" }, detail });
        holds
    }

    fn skip(&mut self, what: &'static str, why: &str) {
        self.0.push(Check { what, state: "skipped", detail: why.to_owned() });
    }
}

pub async fn run(config: &Config) -> Result<Report, Failure> {
    let mut examination = Examination::default();
    for setting in config.describe() {
        let detail = format!("{} = {} ({})", setting.variable, setting.value, setting.origin);
        examination.note("setting", Ok(detail));
    }
    let serving = config.check_for_serve();
    match serving {
        Ok(_) => {
            examination.note("settings for serve", Ok("complete".to_owned()));
        }
        Err(faults) => {
            for fault in faults.iter() {
                examination.note("settings for serve", Err(fault.to_string()));
            }
        }
    }
    let store = compose::open_store(config)?;
    if database(&store, &mut examination).await {
        imported_hashes(&store, &mut examination).await;
        sealed(config, &store, &mut examination).await;
    } else {
        examination.skip("master key", "the database did not answer");
        examination.skip("signing keys", "the database did not answer");
    }
    if let Some(outcome) = certificate::examine(config, &store).await {
        examination.note("TLS certificate", outcome);
    }
    match compose::issuer(config) {
        Ok(issuer) => {
            examination.note("issuer reachable", reach(&issuer, config).await);
        }
        Err(failure) => {
            examination.note("issuer reachable", Err(failure.to_string()));
        }
    }
    let holds = examination.0.iter().all(|check| check.state != "failed");
    let mut report = Report::list(&examination.0, &["state", "what", "detail"])?;
    report.holds = holds;
    Ok(report)
}

async fn database(store: &Store, examination: &mut Examination) -> bool {
    let schema = store.schema().await;
    let answered = schema.is_ok();
    let kind = format!("{:?} answers", store.database());
    examination.note("database", schema.as_ref().map(|_| kind).map_err(ToString::to_string));
    let Ok(schema) = schema else { return false };
    let current = match schema {
        Schema::Current { .. } => Ok("is this program's".to_owned()),
        Schema::Behind { pending, .. } => {
            Err(format!("{pending} migrations are to be run: `signet migrate` does it, and so does the next `serve`"))
        }
        Schema::Newer { unknown } => Err(format!("has migration {unknown}, which only a newer signet knows")),
    };
    let usable = examination.note("schema", current);
    match store.clock().await {
        Ok(Some(theirs)) => {
            let skew = theirs - Clock::system().now();
            let told = format!("differs from the database's by {} ms", skew.num_milliseconds().abs());
            let fault = format!("{told}: keep both in time (NTP)");
            examination.note("clock", if skew.abs() < SKEW { Ok(told) } else { Err(fault) });
        }
        Ok(None) => examination.skip("clock", "the embedded database has none of its own"),
        Err(error) => {
            examination.note("clock", Err(error.to_string()));
        }
    }
    answered && usable
}

/// Not a fault: they go by and by. But an administrator may want to know when the last is gone.
async fn imported_hashes(store: &Store, examination: &mut Examination) {
    let counted = password_hashes::count(store).await.map_err(|error| error.to_string());
    let told = counted.map(|counts| {
        let imported = counts.iter().filter(|count| count.imported);
        let kinds: Vec<String> = imported
            .map(|count| format!("{} {}{}", count.users, count.scheme, if count.wrapped { " (wrapped)" } else { "" }))
            .collect();
        if kinds.is_empty() { "none is imported".to_owned() } else { format!("still imported: {}", kinds.join(", ")) }
    });
    examination.note("password hashes", told);
}

async fn sealed(config: &Config, store: &Store, examination: &mut Examination) {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let master = match compose::master_key_ring(config) {
        Ok(master) => master,
        Err(error) => {
            examination.note("master key", Err(error.to_string()));
            examination.skip("signing keys", "they are sealed under the master key");
            return;
        }
    };
    match IssuerSecrets::exist(store).await {
        Ok(true) => {}
        Ok(false) => {
            examination.skip("master key", "the database is new: nothing is sealed in it yet");
            examination.skip("signing keys", "the first `serve` makes them");
            return;
        }
        Err(error) => {
            examination.note("master key", Err(error.to_string()));
        }
    }
    match reseal::survey(store, &master).await {
        Ok(survey) => {
            for value in &survey.unopened {
                examination.note("sealed value", Err(told(value)));
            }
        }
        Err(error) => drop(examination.note("sealed value", Err(error.to_string()))),
    }
    let opened = IssuerSecrets::open(store, &clock, &entropy, &master).await;
    let told = format!("{} opens what is sealed", config.master_key_source());
    if !examination.note("master key", opened.map(|_| told).map_err(|error| error.to_string())) {
        examination.skip("signing keys", "they are sealed under the master key");
        return;
    }
    let keys = Keys::new(store.clone(), clock.clone(), entropy, master.into());
    if let Err(error) = keys.reload().await {
        examination.note("signing keys", Err(error.to_string()));
        return;
    }
    let now = clock.now();
    let ring = keys.ring();
    for key in ring.keys() {
        let next = key.next_transition(now).map(|at| format!(" until {}", at.format("%FT%TZ"))).unwrap_or_default();
        examination.note("signing key", Ok(format!("{} {} is {}{next}", key.algorithm(), key.kid(), key.state(now))));
    }
    if ring.signing_key(Algorithm::ES256, now).is_none() {
        examination.note("signing keys", Err("no ES256 key signs: `signet key rotate --now` makes one".to_owned()));
    }
}

fn told(unopened: &Unopened) -> String {
    let advice = match unopened.error {
        SealError::UnknownKey { .. } => "put that key back as a last line, or restore the row from a backup",
        SealError::Malformed | SealError::Tampered => "restore the row from a backup",
    };
    format!("{unopened}: {advice}")
}

/// Fetches the metadata as a client would and compares the name in it.
async fn reach(issuer: &Issuer, config: &Config) -> Result<String, String> {
    let url = issuer.well_known("oauth-authorization-server");
    let mut client =
        reqwest::Client::builder().timeout(Duration::from_secs(5)).redirect(reqwest::redirect::Policy::none());
    // The authority that `signet dev` made, if it did.
    if let Ok(pem) = std::fs::read(config.data_dir.join("dev-ca.pem"))
        && let Ok(authority) = reqwest::Certificate::from_pem(&pem)
    {
        client = client.add_root_certificate(authority);
    }
    let client = client.build().map_err(|error| error.to_string())?;
    let response = client.get(&url).send().await.map_err(|error| {
        // The outer texts only repeat the address; the innermost says what happened.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        format!("{url}: {cause}: is the server running, and does the name lead to it?")
    })?;
    let document: Value = response.json().await.map_err(|error| format!("{url}: {error}"))?;
    if document["issuer"] == json!(issuer.as_str()) {
        Ok(format!("{url} names this issuer"))
    } else {
        Err(format!("{url} names the issuer {}: another server answers there", document["issuer"]))
    }
}
