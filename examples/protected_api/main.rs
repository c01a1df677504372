//! An API with two routes that accepts the access tokens of a signet issuer: what the owner of an API copies.
//!
//! Here is the one value that knows the issuer; `orders.rs` is the API. How to run it with `signet dev`:
//! `docs/quickstart.md`.

mod orders;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Parser;
use signet_verifier::{Client, Policy};

#[derive(Parser)]
#[command(about = "An API that accepts access tokens of one issuer")]
struct Arguments {
    /// The issuer's URL: what tokens must have as `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The name of this API: what tokens must have as `aud`
    #[arg(long, value_name = "URI")]
    audience: String,
    /// A certificate authority to trust besides the system's (PEM), for a development certificate
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Does not keep a connection on which the issuer tells of revocations: they are then known within a minute
    #[arg(long)]
    without_changes: bool,
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS")]
    listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    #[error("the verifier: {0}")]
    Verifier(#[from] signet_verifier::client::BuildError),
}

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let policy = Policy::new(&arguments.issuer, &arguments.audience);
    let mut verifier = Client::builder(policy).realm("orders").follow_changes(!arguments.without_changes);
    if let Some(file) = arguments.ca {
        let pem = std::fs::read(&file).map_err(|error| Failure::Io(file.display().to_string(), error))?;
        verifier = verifier.root_certificate(&pem);
    }
    let failed = |error| Failure::Io(format!("listening on {}", arguments.listen), error);
    let listener = TcpListener::bind(arguments.listen).map_err(failed)?;
    println!("{} at http://{}", arguments.audience, listener.local_addr().map_err(failed)?);
    orders::listen(listener, verifier.build()?).map_err(failed)?.await.map_err(failed)
}
