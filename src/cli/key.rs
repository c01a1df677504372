//! `signet key`: the keys that sign tokens.

use clap::Subcommand;

use super::failure::Failure;
use super::output::Report;
use super::{compose, key_export, key_import, prompts};
use crate::admin::key_revocation::KeyRevocationPlan;
use crate::config::Config;
use crate::keys::Activation;
use crate::protocol::jwk::Algorithm;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists every signing key, its state, when that changes, and which verifiers do not know it yet.
    List,
    /// Lists who fetched the JWKS in the last 30 days, and when last.
    Verifiers,
    /// Makes the next signing key of each algorithm in use, which signs when every verifier can know it.
    Rotate {
        /// Rotates this algorithm only: ES256, RS256, PS256 or EdDSA.
        #[arg(long, value_name = "ALG")]
        algorithm: Option<Algorithm>,
        /// Signs with the waiting or a new key at once; verifiers that keep an older JWKS refuse its tokens for a while.
        #[arg(long)]
        now: bool,
    },
    /// Withdraws a key whose private part may be known to others: its tokens end and another key signs, both at once.
    Revoke {
        /// Names the key by its kid, as `signet key list` shows it.
        kid: String,
        /// Revokes without asking, for scripts.
        #[arg(long)]
        yes: bool,
    },
    /// Takes over a private key that another issuer signed with, so that its tokens go on to verify.
    Import(key_import::Arguments),
    /// Prints public keys, or writes one private key to a file that a passphrase protects.
    Export(key_export::Arguments),
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let admin = compose::admin(config).await?;
    match command {
        Command::List => {
            let columns = ["kid", "alg", "state", "active_at", "superseded_at", "expires_at", "revoked_at"];
            let done = admin.signing_keys().await?;
            let report = Report::list(&done.view, &columns)?;
            Ok(done.notes.into_iter().fold(report, Report::noting))
        }
        Command::Verifiers => {
            let columns = ["verifier", "identified_by", "last_fetched_at", "newest_key_at"];
            Report::list(&admin.verifiers().await?, &columns)
        }
        Command::Rotate { algorithm, now } => {
            let activation = if now { Activation::AtOnce } else { Activation::Published };
            let done = admin.rotate_keys(algorithm, activation).await?;
            let report = Report::list(&done.view, &["kid", "alg", "active_at", "new"])?;
            Ok(done.notes.into_iter().fold(report, Report::noting))
        }
        Command::Revoke { kid, yes } => {
            if !yes {
                prompts::confirm(&question(&admin.plan_key_revocation(&kid).await?))?;
            }
            Report::done(&admin.revoke_key(&kid).await?, &["kid", "alg", "revoked_at", "successor", "grants"])
        }
        Command::Import(arguments) => key_import::run(arguments, &admin).await,
        Command::Export(arguments) => key_export::run(arguments, &admin).await,
    }
}

fn question(plan: &KeyRevocationPlan) -> String {
    format!(
        "Key {} ({}, {}) is taken out of the JWKS, and the access tokens that it signed end: those of {} grant(s) that got \
         one since {} (the grants live on, and their clients refresh), and at most {} that clients took for themselves. \
         This cannot be undone",
        plan.kid,
        plan.alg,
        plan.state,
        plan.grants,
        plan.since.format("%FT%TZ"),
        plan.client_tokens_at_most
    )
}
