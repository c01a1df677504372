//! `signet token`: why a token is accepted or refused.

use clap::Subcommand;

use super::failure::Failure;
use super::output::Report;
use super::{compose, prompts};
use crate::admin::token::inspect;
use crate::config::Config;
use crate::secret::Secret;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows what a token says, whether it holds, and if not exactly why; the exit status is 1 then.
    Inspect {
        /// Gives an access token or refresh token; `-` takes it from the first line of standard input.
        token: String,
        /// Judges it as the API with this audience would (RFC 9068 section 4).
        #[arg(long, value_name = "URI")]
        audience: Option<String>,
    },
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let Command::Inspect { token, audience } = command;
    let presented = if token == "-" { prompts::first_line()? } else { Secret::new(token.trim()) };
    let provider = compose::provider(config).await?;
    let found = inspect(&provider, &presented, audience.as_deref()).await?;
    let members = [
        ("token_type", true),
        ("active", true),
        ("detail", true),
        ("genuine", true),
        ("header", found.header.is_some()),
        ("claims", found.claims.is_some()),
        ("generation", found.generation.is_some()),
        ("grant", found.grant.is_some()),
    ];
    let members: Vec<&str> = members.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let mut report = Report::record(&found, &members)?;
    report.holds = found.active;
    Ok(report)
}
