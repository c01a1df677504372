//! `signet key`: the keys that sign tokens.

use clap::Subcommand;

use super::compose;
use super::failure::Failure;
use super::output::Report;
use crate::config::Config;
use crate::keys::Activation;
use crate::protocol::jwk::Algorithm;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists every signing key, its state, and when that changes next.
    List,
    /// Makes the next signing key of each algorithm in use; it signs when every verifier can know it.
    Rotate {
        /// Rotates this algorithm only: ES256, RS256, PS256 or EdDSA.
        #[arg(long, value_name = "ALG")]
        algorithm: Option<Algorithm>,
        /// Signs with the new key at once; verifiers that keep an older key set refuse its tokens for a while.
        #[arg(long)]
        now: bool,
    },
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let admin = compose::admin(config).await?;
    match command {
        Command::List => {
            let columns = ["kid", "alg", "state", "created_at", "active_at", "next_transition_at"];
            Report::list(&admin.signing_keys().await?, &columns)
        }
        Command::Rotate { algorithm, now } => {
            let activation = if now { Activation::AtOnce } else { Activation::Published };
            let done = admin.rotate_keys(algorithm, activation).await?;
            let report = Report::list(&done.view, &["kid", "alg", "active_at", "new"])?;
            Ok(done.notes.into_iter().fold(report, Report::noting))
        }
    }
}
