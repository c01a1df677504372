//! `signet key`: the keys that sign tokens.

use clap::Subcommand;

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::{key_export, key_import, prompts};
use crate::admin::key_revocation::KeyRevocationPlan;
use crate::admin::operation::NoQuery;
use crate::admin::operations::signing_keys::{
    ListSigningKeys, ListVerifiers, PlanKeyRevocation, RevokeSigningKey, RotateSigningKeys, Rotation,
};
use crate::admin::page::Listed;
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

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    if let Command::Export(arguments) = command {
        return key_export::run(arguments, place).await;
    }
    let console = place.console().await?;
    let query = NoQuery {};
    match command {
        Command::Export(_) => unreachable!("it was carried out above"),
        Command::List => {
            let columns = ["kid", "alg", "state", "active_at", "superseded_at", "expires_at", "revoked_at"];
            let Listed { items, notes } = console.ask::<ListSigningKeys>((), query, ()).await?;
            Ok(notes.into_iter().fold(Report::list(&items, &columns)?, Report::noting))
        }
        Command::Verifiers => {
            let columns = ["verifier", "identified_by", "last_fetched_at", "newest_key_at"];
            Report::list(&console.ask::<ListVerifiers>((), query, ()).await?.items, &columns)
        }
        Command::Rotate { algorithm, now } => {
            let rotation = Rotation { algorithm, now };
            let Listed { items, notes } = console.ask::<RotateSigningKeys>((), query, rotation).await?;
            let report = Report::list(&items, &["kid", "alg", "active_at", "new"])?;
            Ok(notes.into_iter().fold(report, Report::noting))
        }
        Command::Revoke { kid, yes } => {
            if !yes {
                let plan = console.ask::<PlanKeyRevocation>(kid.clone(), query, ()).await?;
                prompts::confirm(&question(&plan))?;
            }
            let done = console.ask::<RevokeSigningKey>(kid, query, ()).await?;
            Report::done(&done, &["kid", "alg", "revoked_at", "successor", "grants"])
        }
        Command::Import(arguments) => key_import::run(arguments, &console).await,
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
