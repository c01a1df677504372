//! `signet health`: asks the server of this host whether it is ready (`GET /readyz`). For what restarts or leaves out
//! instances that are not, where there is no other HTTP client: in the container's image.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use reqwest::{Client, ClientBuilder};
use serde::Serialize;
use url::{Host, Url};

use super::failure::Failure;
use super::output::Report;
use crate::config::{Config, Tls};

/// No answer has more to say.
const LONGEST_DETAIL: usize = 300;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Asks this server, such as https://auth.example.com, and not the one that this host is configured to run.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Gives up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

#[derive(Serialize)]
struct Health {
    ready: bool,
    url: String,
    detail: String,
}

pub async fn run(arguments: &Arguments, config: &Config) -> Result<Report, Failure> {
    let client =
        Client::builder().timeout(Duration::from_secs(arguments.timeout)).redirect(reqwest::redirect::Policy::none());
    let (client, mut url) = match &arguments.url {
        Some(url) => (client, Url::parse(url).map_err(|error| Failure::Usage(format!("--url: {error}")))?),
        None => own_listener(client, config)?,
    };
    // It lies at the host's root, whatever the issuer's path.
    url.set_path("/readyz");
    let client = client.build().map_err(|error| Failure::Unusable(error.to_string()))?;
    let (ready, detail) = ask(&client, &url).await;
    let health = Health { ready, url: url.into(), detail };
    let mut report = Report::record(&health, &["ready", "url", "detail"])?;
    report.holds = ready;
    Ok(report)
}

/// The listener that this host's configuration names, asked by the issuer's name, so that a server with several
/// certificates has one to show.
///
/// That certificate is not verified. Whoever answers at our own listening address is asked for a status and told nothing;
/// and a certificate that has run out, or was replaced in its file and not yet in the server, is no reason to kill a server
/// that serves. `signet doctor` looks at it as a client does.
fn own_listener(client: ClientBuilder, config: &Config) -> Result<(ClientBuilder, Url), Failure> {
    let port = config.listen.port();
    if port == 0 {
        let text =
            "SIGNET_LISTEN leaves the port to the system, which has told nobody but the server's log: give --url";
        return Err(Failure::Usage(text.to_owned()));
    }
    let address = match config.listen.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        one => one,
    };
    let address = SocketAddr::new(address, port);
    let (scheme, client) = match config.tls {
        Tls::On | Tls::Acme => ("https", client.tls_danger_accept_invalid_certs(true)),
        Tls::Off => ("http", client),
    };
    let issuer = config.issuer.as_ref().and_then(|issuer| Url::parse(issuer.as_str()).ok());
    let name = issuer.as_ref().and_then(|issuer| match issuer.host() {
        Some(Host::Domain(name)) => Some(name.to_owned()),
        _ => None,
    });
    // No proxy of the environment leads to this host itself.
    let client = client.no_proxy();
    let (client, authority) = match name {
        Some(name) => (client.resolve(&name, address), format!("{name}:{port}")),
        None => (client, address.to_string()),
    };
    let url = Url::parse(&format!("{scheme}://{authority}")).map_err(|error| Failure::Unusable(error.to_string()))?;
    Ok((client, url))
}

async fn ask(client: &Client, url: &Url) -> (bool, String) {
    let answer = match client.get(url.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            // The outer texts only repeat the address; the innermost says what happened.
            let mut cause: &dyn Error = &error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            let why = if error.is_timeout() { "none came in time".to_owned() } else { cause.to_string() };
            return (false, format!("no answer: {why}"));
        }
    };
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    let told: String = body.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect();
    (status == reqwest::StatusCode::OK, format!("{status}: {told}"))
}
