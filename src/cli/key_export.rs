//! `signet key export`: public keys on standard output, a private key in a file of its own, encrypted.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::compose;
use super::failure::Failure;
use super::output::Report;
use super::passphrase;
use super::place::Place;
use super::private_file::PrivateFile;
use crate::admin::Admin;
use crate::admin::key_export::public_pem;
use crate::admin::operation::NoQuery;
use crate::admin::operations::signing_keys::{ShowKeySet, ShowPublicKey};
use crate::protocol::jwk::JwkSet;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Names the key, whatever its state; without it, every key that the JWKS publishes.
    #[arg(allow_hyphen_values = true)]
    kid: Option<String>,
    /// Chooses the form of public keys: PEM (SubjectPublicKeyInfo) or a JWKS.
    #[arg(long, default_value = "pem", conflicts_with = "private")]
    format: Format,
    /// Exports the private key too, as PKCS#8 encrypted to a passphrase, into a new file that only its owner can read.
    #[arg(long, requires = "kid", requires = "output")]
    private: bool,
    /// Names the file for the private key; an existing one is never overwritten.
    #[arg(long, value_name = "FILE", requires = "private")]
    output: Option<PathBuf>,
    /// Takes the passphrase, of 15 characters or more, from the first line of standard input instead of asking.
    #[arg(long, requires = "private")]
    passphrase_stdin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Pem,
    Jwks,
}

pub async fn run(arguments: Arguments, place: &Place) -> Result<Report, Failure> {
    let Arguments { kid, format, output, passphrase_stdin, .. } = arguments;
    if let (Some(kid), Some(output)) = (&kid, &output) {
        let admin = compose::admin(place.here("a private key leaves the machine on no connection")?).await?;
        admin.public_keys(Some(kid)).await?;
        return private(&admin, kid, output, passphrase_stdin).await;
    }
    let console = place.console().await?;
    let keys = match &kid {
        Some(kid) => console.ask::<ShowPublicKey>(kid.clone(), NoQuery {}, ()).await?,
        None => console.ask::<ShowKeySet>((), NoQuery {}, ()).await?,
    };
    match format {
        Format::Jwks => {
            let document = serde_json::to_value(&keys).map_err(|error| Failure::Output(error.into()))?;
            let text = format!("{document:#}");
            Ok(Report::verbatim(document, text))
        }
        Format::Pem => pem(&keys, kid.is_none()),
    }
}

/// Where there may be several, each is preceded by its kid, as RFC 7468 §2 lets text stand before a block.
fn pem(keys: &JwkSet, named: bool) -> Result<Report, Failure> {
    let (mut documents, mut text) = (Vec::new(), String::new());
    for key in &keys.keys {
        let pem = public_pem(key)?;
        if named {
            text += &format!("{} {}\n", key.algorithm(), key.kid());
        }
        text += &pem;
        documents.push(json!({ "kid": key.kid(), "alg": key.algorithm(), "pem": pem }));
    }
    Ok(Report::verbatim(documents.into(), text.trim_end().to_owned()))
}

async fn private(admin: &Admin, kid: &str, output: &Path, from_stdin: bool) -> Result<Report, Failure> {
    let file = PrivateFile::create(output)?;
    let passphrase = passphrase::new(from_stdin)?;
    let pem = admin.export_private_key(kid, &passphrase).await?;
    file.write(pem.as_bytes())?;
    let report = Report::record(&json!({ "kid": kid, "file": output }), &["kid", "file"])?;
    Ok(report.noting(
        "whoever has this file and its passphrase can sign tokens of this issuer; the kid is not in it: note both apart",
    ))
}
