//! An API with two routes that accepts the access tokens of a signet issuer: what the owner of an API copies.
//!
//! `orders/` is the API; it needs an issuer's URL, its own name (the audience) and an HTTP client, and can be started
//! inside a test. Here are the arguments. How to run it with `signet dev`: `docs/quickstart.md`.

mod orders;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use orders::key_set::{KeySet, Source};
use orders::verify::Verifier;
use reqwest::{Certificate, Url};

#[derive(Parser)]
#[command(about = "An API that accepts access tokens of one issuer")]
struct Arguments {
    /// The issuer's URL: what tokens must have as `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The name of this API: what tokens must have as `aud`
    #[arg(long, value_name = "URI")]
    audience: String,
    /// Where the key set is; otherwise the issuer's metadata says it
    #[arg(long, value_name = "URL")]
    jwks: Option<Url>,
    /// The one certificate authority to trust (PEM), for a development certificate
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS")]
    listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    #[error("--issuer: {0}")]
    Issuer(url::ParseError),
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let issuer = Url::parse(&arguments.issuer).map_err(Failure::Issuer)?;
    let http = http_client(&issuer, arguments.ca)?;
    let source = arguments.jwks.map_or(Source::Metadata(issuer), Source::Jwks);
    let verifier = Verifier::new(arguments.issuer, &arguments.audience, KeySet::new(http, source));

    let failed = |error| Failure::Io(format!("listening on {}", arguments.listen), error);
    let listener = TcpListener::bind(arguments.listen).map_err(failed)?;
    println!("{} at http://{}", arguments.audience, listener.local_addr().map_err(failed)?);
    orders::listen(listener, verifier).map_err(failed)?.await.map_err(failed)
}

/// Whoever can answer for the issuer decides which tokens are good, so its documents are read over TLS alone, without
/// following redirects. Plain HTTP is for an issuer on this machine.
fn http_client(issuer: &Url, ca: Option<PathBuf>) -> Result<reqwest::Client, Failure> {
    // This build of reqwest leaves the choice of cryptography to the program. A second call changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let is_local = matches!(issuer.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let mut http = reqwest::Client::builder()
        .https_only(!is_local)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(5));
    if let Some(file) = ca {
        let pem = std::fs::read(&file).map_err(|error| Failure::Io(file.display().to_string(), error))?;
        http = http.tls_certs_only(Certificate::from_pem_bundle(&pem)?);
    }
    Ok(http.build()?)
}
