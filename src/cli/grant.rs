//! `signet grant`: what users have approved for clients.

use clap::{ArgGroup, Args, Subcommand};
use uuid::Uuid;

use super::compose;
use super::failure::Failure;
use super::output::Report;
use crate::admin::every;
use crate::admin::grants::{Filter, GrantView};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists grants that are live: neither expired nor revoked.
    List {
        #[command(flatten)]
        holders: Holders,
        /// Lists the expired and revoked ones too.
        #[arg(long)]
        all: bool,
    },
    /// Revokes one grant, or all of a user, of a client, or of both together, with every token of them.
    #[command(group = ArgGroup::new("which").args(["grant_id", "user", "client"]).required(true).multiple(true))]
    Revoke {
        /// Names the grant by its identifier, which its access tokens carry as `grant_id`.
        #[arg(conflicts_with_all = ["user", "client"])]
        grant_id: Option<Uuid>,
        #[command(flatten)]
        holders: Holders,
    },
}

#[derive(Debug, Args)]
pub struct Holders {
    /// Takes only grants of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Takes only grants to this client.
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let admin = compose::admin(config).await?;
    match command {
        Command::List { holders: Holders { user: username, client: client_id }, all } => {
            let filter = Filter { grant_id: None, username, client_id };
            let page = async |after: &Uuid, limit| admin.grants(&filter, all, *after, limit).await;
            let found = every(Uuid::nil(), page, |grant: &GrantView| grant.grant_id).await?;
            let columns = ["grant_id", "username", "client_id", "scope", "state", "created_at", "idle_expires_at"];
            Report::list(&found, &columns)
        }
        Command::Revoke { grant_id, holders: Holders { user: username, client: client_id } } => {
            let done = admin.revoke(&Filter { grant_id, username, client_id }).await?;
            Report::done(&done, &["revoked"])
        }
    }
}
