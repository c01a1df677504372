//! `signet token`: why a token is accepted or refused, and revoking what was issued.

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Subcommand};

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::prompts;
use crate::admin::operation::NoQuery;
use crate::admin::operations::grants::{InspectToken, PlanRevocation, PresentedToken, RevokeIssued, RevokeToken};
use crate::admin::token_revocation::{Issued, RevokedTokens};
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
    /// Revokes one token, or all that a user or a client got, or that anybody got between two times.
    #[command(group = ArgGroup::new("which").args(["token", "user", "client", "from"]).required(true).multiple(true))]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// Gives an access token or refresh token; `-` takes it from the first line of standard input. The whole grant of a
    /// user's token ends.
    #[arg(conflicts_with_all = ["user", "client", "from"])]
    token: Option<String>,
    /// Takes only what this user got.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Takes only what this client got, for users and for itself.
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Takes only what was issued since this time, as in 2026-11-24T14:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// Takes only what was issued up to this time; without it, up to now.
    #[arg(long, value_name = "TIME", requires = "from")]
    until: Option<DateTime<Utc>>,
    /// Revokes without asking, for scripts.
    #[arg(long)]
    yes: bool,
}

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    match command {
        Command::Inspect { token, audience } => inspection(&token, audience, place).await,
        Command::Revoke(Revoke { token: Some(token), .. }) => {
            let presented = PresentedToken { token: presented(&token)?, audience: None };
            let console = place.console_of_issuer().await?;
            Report::done(&console.ask::<RevokeToken>((), NoQuery {}, presented).await?, &REVOKED)
        }
        Command::Revoke(Revoke { token: None, user: username, client: client_id, from, until, yes }) => {
            let console = place.console().await?;
            let issued = Issued { username, client_id, from, until };
            if !yes {
                let plan = console.ask::<PlanRevocation>((), NoQuery {}, issued.clone()).await?;
                prompts::confirm(&question(plan))?;
            }
            Report::done(&console.ask::<RevokeIssued>((), NoQuery {}, issued).await?, &REVOKED)
        }
    }
}

const REVOKED: [&str; 2] = ["grants", "client_tokens_at_most"];

fn question(planned: RevokedTokens) -> String {
    format!(
        "{} grant(s) end with all their tokens, and at most {} tokens that clients took for themselves. This cannot be undone",
        planned.grants, planned.client_tokens_at_most
    )
}

fn presented(token: &str) -> Result<Secret, Failure> {
    if token == "-" { prompts::first_line() } else { Ok(Secret::new(token.trim())) }
}

async fn inspection(token: &str, audience: Option<String>, place: &Place) -> Result<Report, Failure> {
    let presented = PresentedToken { token: presented(token)?, audience };
    let console = place.console_of_issuer().await?;
    let found = console.ask::<InspectToken>((), NoQuery {}, presented).await?;
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
