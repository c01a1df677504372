//! `signet client`: the software that asks for tokens.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::value::{method_or_default, network_or_any, number_or_default, scope, seconds, seconds_or_default};
use crate::admin::Choice;
use crate::admin::clients::{ClientChange, ClientView, NewClient};
use crate::admin::operation::NoQuery;
use crate::admin::operations::clients::{
    CreateClient, DeleteClient, DisableClient, EnableClient, ListClients, RotateClientSecret, SecretRotation,
    ShowClient, UpdateClient,
};
use crate::admin::page::PageQuery;
use crate::protocol::client::{AuthMethod, GrantType};
use crate::protocol::network::Network;

const MEMBERS: [&str; 12] = [
    "client_id",
    "token_endpoint_auth_method",
    "grant_types",
    "audiences",
    "scope",
    "access_token_lifetime",
    "refresh_idle_lifetime",
    "refresh_absolute_lifetime",
    "grant_limit",
    "allowed_networks",
    "created_at",
    "disabled_at",
];
const DETAILS: [&str; 13] = {
    let mut all = ["client_secrets"; 13];
    let mut at = 0;
    while at < MEMBERS.len() {
        all[at] = MEMBERS[at];
        at += 1;
    }
    all
};
const COLUMNS: [&str; 5] = ["client_id", "grant_types", "audiences", "scope", "disabled_at"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Registers a client and prints its secret, once.
    Create(Create),
    /// Lists all clients.
    List,
    /// Shows a client and when its secrets end.
    Show(Named),
    /// Changes a client; what is not given stays as it is.
    Update(Update),
    /// Makes a new secret and prints it, once; the old one ends now unless --keep-old-for says later.
    RotateSecret {
        #[command(flatten)]
        named: Named,
        /// Keeps the present secret valid for this long, to replace it everywhere without an outage.
        #[arg(long, value_name = "DURATION", value_parser = seconds)]
        keep_old_for: Option<i64>,
    },
    /// Refuses the client and its tokens until it is enabled; its grants are kept.
    Disable(Named),
    /// Lets a disabled client and its unexpired tokens be accepted again.
    Enable(Named),
    /// Removes the client; every token of it is invalid from then on.
    Delete(Named),
}

#[derive(Debug, Args)]
pub struct Named {
    /// Names the client by its identifier (RFC 6749 section 2.2).
    client_id: String,
}

#[derive(Debug, Args)]
pub struct Create {
    /// Gives the identifier that the client will present (RFC 6749 section 2.2).
    client_id: String,
    /// Allows a grant type: client_credentials, password (legacy, RFC 9700 section 2.4) or refresh_token.
    #[arg(long = "grant-type", required = true, value_name = "GRANT_TYPE")]
    grant_types: Vec<GrantType>,
    /// Allows tokens for this resource server (RFC 8707); the first one given is the default.
    #[arg(long = "audience", required = true, value_name = "URI")]
    audiences: Vec<String>,
    /// Allows these scope tokens; without the flag, all that the audiences offer.
    #[arg(long)]
    scope: Vec<String>,
    /// Makes a public client (RFC 6749 section 2.1), which has no secret.
    #[arg(long, conflicts_with = "auth_method")]
    public: bool,
    /// Accepts the secret in one way only: client_secret_basic or client_secret_post (RFC 7591 section 2).
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<AuthMethod>,
    /// Lets access tokens live so long; the shortest of client, resource server and default counts.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    access_token_lifetime: Option<i64>,
    /// Lets a grant end after so long without a refresh.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    refresh_idle_lifetime: Option<i64>,
    /// Lets a grant end after so long in any case.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    refresh_absolute_lifetime: Option<i64>,
    /// Lets a user have so many live grants at the client: one more login ends the oldest.
    #[arg(long, value_name = "NUMBER")]
    grant_limit: Option<i64>,
    /// Lets users log in with a password from this address or block alone; without the flag, from everywhere.
    #[arg(long = "allowed-network", value_name = "CIDR")]
    allowed_networks: Vec<Network>,
}

#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    named: Named,
    /// Replaces the allowed grant types by those given.
    #[arg(long = "grant-type", value_name = "GRANT_TYPE")]
    grant_types: Option<Vec<GrantType>>,
    /// Replaces the audiences by those given; the first is the default.
    #[arg(long = "audience", value_name = "URI")]
    audiences: Option<Vec<String>>,
    /// Replaces the scope by the tokens given.
    #[arg(long)]
    scope: Option<Vec<String>>,
    /// Accepts the secret in one way only, or with `default` in either.
    #[arg(long, value_name = "METHOD", value_parser = method_or_default)]
    auth_method: Option<Choice<AuthMethod>>,
    /// Lets access tokens live so long, or with `default` as the settings have it.
    #[arg(long, value_name = "DURATION", value_parser = seconds_or_default)]
    access_token_lifetime: Option<Choice<i64>>,
    /// Lets a grant end after so long without a refresh, or with `default` as the settings have it.
    #[arg(long, value_name = "DURATION", value_parser = seconds_or_default)]
    refresh_idle_lifetime: Option<Choice<i64>>,
    /// Lets a grant end after so long in any case, or with `default` as the settings have it.
    #[arg(long, value_name = "DURATION", value_parser = seconds_or_default)]
    refresh_absolute_lifetime: Option<Choice<i64>>,
    /// Lets a user have so many live grants at the client, or with `default` as many as the settings have it.
    #[arg(long, value_name = "NUMBER", value_parser = number_or_default)]
    grant_limit: Option<Choice<i64>>,
    /// Replaces the networks that users may log in from with a password by those given, or with `any` by everywhere.
    #[arg(long = "allowed-network", value_name = "CIDR", value_parser = network_or_any)]
    allowed_networks: Option<Vec<Option<Network>>>,
}

impl Create {
    fn into_new(self) -> Result<NewClient, Failure> {
        Ok(NewClient {
            client_id: self.client_id,
            grant_types: self.grant_types,
            audiences: self.audiences,
            scope: if self.scope.is_empty() { None } else { Some(scope(&self.scope)?) },
            token_endpoint_auth_method: if self.public { Some(AuthMethod::None) } else { self.auth_method },
            access_token_lifetime: self.access_token_lifetime,
            refresh_idle_lifetime: self.refresh_idle_lifetime,
            refresh_absolute_lifetime: self.refresh_absolute_lifetime,
            grant_limit: self.grant_limit,
            allowed_networks: self.allowed_networks,
        })
    }
}

impl Update {
    fn into_change(self) -> Result<(String, ClientChange), Failure> {
        let change = ClientChange {
            grant_types: self.grant_types,
            audiences: self.audiences,
            scope: self.scope.as_deref().map(scope).transpose()?,
            token_endpoint_auth_method: self.auth_method,
            access_token_lifetime: self.access_token_lifetime,
            refresh_idle_lifetime: self.refresh_idle_lifetime,
            refresh_absolute_lifetime: self.refresh_absolute_lifetime,
            grant_limit: self.grant_limit,
            // Beside `any`, others say nothing.
            allowed_networks: self
                .allowed_networks
                .map(|given| given.into_iter().collect::<Option<_>>().unwrap_or_default()),
        };
        Ok((self.named.client_id, change))
    }
}

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    let console = place.console().await?;
    let (query, none) = (NoQuery {}, ());
    match command {
        Command::Create(create) => {
            Report::done(&console.ask::<CreateClient>((), query, create.into_new()?).await?, &MEMBERS)
        }
        Command::List => {
            let all = console.all::<ListClients, ClientView>((), |cursor, limit| PageQuery { cursor, limit }).await?;
            Report::list(&all, &COLUMNS)
        }
        Command::Show(Named { client_id }) => {
            Report::record(&console.ask::<ShowClient>(client_id, query, none).await?, &DETAILS)
        }
        Command::Update(update) => {
            let (client_id, change) = update.into_change()?;
            Report::done(&console.ask::<UpdateClient>(client_id, query, change).await?, &MEMBERS)
        }
        Command::RotateSecret { named: Named { client_id }, keep_old_for } => {
            let done = console.ask::<RotateClientSecret>(client_id, query, SecretRotation { keep_old_for }).await?;
            Report::done(&done, &["client_id", "client_secrets"])
        }
        Command::Disable(Named { client_id }) => {
            Report::done(&console.ask::<DisableClient>(client_id, query, none).await?, &MEMBERS)
        }
        Command::Enable(Named { client_id }) => {
            Report::done(&console.ask::<EnableClient>(client_id, query, none).await?, &MEMBERS)
        }
        Command::Delete(Named { client_id }) => {
            let done = console.ask::<DeleteClient>(client_id, query, none).await?;
            let note = format!("the client {} is deleted", done.view.client_id);
            Ok(Report::done(&done, &MEMBERS)?.noting(note))
        }
    }
}
