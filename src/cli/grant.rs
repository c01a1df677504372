//! `signet grant`: what users have approved for clients.

use clap::{ArgGroup, Args, Subcommand};
use uuid::Uuid;

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use crate::admin::grants::{Filter, GrantView};
use crate::admin::operation::NoQuery;
use crate::admin::operations::grants::{GrantsQuery, ListGrants, RevokeGrants, ShowGrant};

const MEMBERS: [&str; 13] = [
    "grant_id",
    "username",
    "client_id",
    "audiences",
    "scope",
    "state",
    "generation",
    "created_at",
    "rotated_at",
    "idle_expires_at",
    "expires_at",
    "revoked_at",
    "revoked_reason",
];

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
    /// Shows a grant.
    Show {
        /// Names the grant by its identifier, which its access tokens carry as `grant_id`.
        grant_id: Uuid,
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

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    let console = place.console().await?;
    match command {
        Command::List { holders: Holders { user: username, client: client_id }, all } => {
            let page = |cursor, limit| {
                let (username, client_id) = (username.clone(), client_id.clone());
                GrantsQuery { username, client_id, all, cursor, limit }
            };
            let found = console.all::<ListGrants, GrantView>((), page).await?;
            let columns = ["grant_id", "username", "client_id", "scope", "state", "created_at", "idle_expires_at"];
            Report::list(&found, &columns)
        }
        Command::Show { grant_id } => {
            Report::record(&console.ask::<ShowGrant>(grant_id, NoQuery {}, ()).await?, &MEMBERS)
        }
        Command::Revoke { grant_id, holders: Holders { user: username, client: client_id } } => {
            let which = Filter { grant_id, username, client_id };
            Report::done(&console.ask::<RevokeGrants>((), NoQuery {}, which).await?, &["revoked"])
        }
    }
}
