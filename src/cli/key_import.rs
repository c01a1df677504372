//! `signet key import`: a private key of another issuer.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::output::Report;
use super::passphrase;
use super::place::Console;
use crate::admin;
use crate::admin::key_import::{ImportedState, KeyImport};
use crate::admin::operation::NoQuery;
use crate::admin::operations::signing_keys::ImportSigningKey;
use crate::keys::import::{self, ImportError};
use crate::protocol::jwk::Algorithm;
use crate::secret::{Secret, SecretBytes};

/// Far more than a key of 8192 bits has in any form.
const LIMIT: u64 = 64 * 1024;

const MEMBERS: [&str; 6] = ["kid", "alg", "state", "created_at", "active_at", "next_transition_at"];

#[derive(Debug, Args)]
pub struct Arguments {
    /// Names the file with the private key: PEM (PKCS#1, PKCS#8, encrypted PKCS#8, SEC1) or JWK.
    file: PathBuf,
    /// Gives the key this kid, which must be the one in its tokens; without it, the JWK's own or the RFC 7638 thumbprint.
    #[arg(long, allow_hyphen_values = true)]
    kid: Option<String>,
    /// Says what the key signs by: ES256, RS256, PS256 or EdDSA; needed for a PEM that is to sign by PS256.
    #[arg(long, value_name = "ALG")]
    algorithm: Option<Algorithm>,
    /// Says what the key is for from now on; needed where another key signs by its algorithm.
    #[arg(long)]
    state: Option<State>,
    /// Takes the passphrase of an encrypted file from the first line of standard input instead of asking.
    #[arg(long)]
    passphrase_stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Signs at once, in place of the key that does now.
    Signing,
    /// Verifies the tokens that its former issuer signed, until they have expired.
    Verifying,
}

pub async fn run(arguments: Arguments, console: &Console) -> Result<Report, Failure> {
    let Arguments { file, kid, algorithm, state, passphrase_stdin } = arguments;
    let contents = contents(&file)?;
    let encrypted = import::is_encrypted(&contents);
    let passphrase = encrypted.then(|| passphrase::existing(passphrase_stdin)).transpose()?;
    let key = std::str::from_utf8(contents.expose()).map(Secret::new).map_err(|_| {
        let why = ImportError::Form;
        admin::Error::Refused(format!("{} was not imported: {why}", file.display()))
    })?;
    let state = state.map(|state| match state {
        State::Signing => ImportedState::Signing,
        State::Verifying => ImportedState::Verifying,
    });
    let import = KeyImport { key, passphrase, kid, algorithm, state };
    let done = console.ask::<ImportSigningKey>((), NoQuery {}, import).await.map_err(|failure| match failure {
        Failure::Admin(admin::Error::Refused(why)) => {
            admin::Error::Refused(format!("{}: {why}", file.display())).into()
        }
        other => other,
    })?;
    let mut report = Report::done(&done, &MEMBERS)?;
    if !encrypted {
        report = report.noting(format!(
            "{} holds the key in clear: delete it, or keep it where nobody else can read it",
            file.display()
        ));
    }
    Ok(report)
}

fn contents(path: &Path) -> Result<SecretBytes, Failure> {
    // Room from the start: a vector that grows leaves unwiped copies behind.
    let mut bytes = Vec::with_capacity(64 * 1024);
    let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
    let bytes = SecretBytes::new(bytes);
    read.map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))?;
    Ok(bytes)
}
