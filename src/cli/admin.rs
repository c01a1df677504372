//! `signet admin`: the first administrator of the administration API, and what that API is.

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::compose;
use super::failure::Failure;
use super::output::Report;
use super::private_file::PrivateFile;
use super::profile;
use crate::config::{Config, Tls};
use crate::http::administration;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Registers the administration API and a client that may do everything there, and prints its secret, once.
    Bootstrap(Bootstrap),
    /// Prints the OpenAPI 3.1 document of every endpoint.
    Openapi,
    /// Prints the same as an HTML page to read.
    Reference,
}

#[derive(Debug, Args)]
pub struct Bootstrap {
    /// Gives the identifier of the client.
    #[arg(long, value_name = "CLIENT_ID", default_value = "signet-admin")]
    client_id: String,
    /// Writes a profile for `signet --profile FILE` into this new file, which only its owner can read.
    #[arg(long, value_name = "FILE")]
    write_profile: Option<PathBuf>,
}

const MEMBERS: [&str; 4] = ["client_id", "grant_types", "audiences", "scope"];

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    match command {
        Command::Bootstrap(bootstrap) => self::bootstrap(bootstrap, config).await,
        Command::Openapi => {
            let document = administration::openapi();
            let text = format!("{document:#}");
            Ok(Report::verbatim(document, text))
        }
        Command::Reference => {
            super::output::line(io::stdout(), &administration::reference())?;
            Ok(Report::nothing())
        }
    }
}

async fn bootstrap(bootstrap: Bootstrap, config: &Config) -> Result<Report, Failure> {
    let issuer = compose::issuer(config)?;
    // Made before there is a secret to lose.
    let file = bootstrap.write_profile.as_deref().map(PrivateFile::create).transpose()?;
    let done = compose::admin(config).await?.bootstrap(&issuer, &bootstrap.client_id).await?;
    if let (Some(file), Some(secret)) = (file, &done.client_secret) {
        let scheme = if config.tls == Tls::Off { "http" } else { "https" };
        let server = config.admin_listen.0.map(|address| format!("{scheme}://{address}"));
        let client = (bootstrap.client_id.as_str(), secret);
        let text = profile::text(server.as_deref(), None, &issuer.url("/oauth2/token"), client)?;
        file.write(text.expose().as_bytes())?;
    }
    Report::done(&done, &MEMBERS)
}
