//! `signet resource-server`: the APIs that tokens are for.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::value::{scope, seconds, seconds_or_default};
use crate::admin::Choice;
use crate::admin::operation::NoQuery;
use crate::admin::operations::clients::SecretRotation;
use crate::admin::operations::resource_servers::{
    CreateResourceServer, DeleteResourceServer, DisableResourceServer, EnableResourceServer, ListResourceServers,
    RotateResourceServerSecret, ShowResourceServer, UpdateResourceServer,
};
use crate::admin::page::PageQuery;
use crate::admin::resource_servers::{NewResourceServer, ResourceServerChange, ResourceServerView};
use crate::protocol::jwk::Algorithm;

const MEMBERS: [&str; 9] = [
    "audience",
    "scope",
    "access_token_lifetime",
    "signing_algorithm",
    "former_signing_algorithm",
    "signing_algorithm_since",
    "previous_secret_expires_at",
    "created_at",
    "disabled_at",
];
const COLUMNS: [&str; 5] = ["audience", "scope", "access_token_lifetime", "signing_algorithm", "disabled_at"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Registers an API and prints its secret for introspection (RFC 7662), once.
    Create {
        /// Gives the URI that tokens for the API have as `aud`, and that clients ask for as `resource` (RFC 8707).
        audience: String,
        /// Names the scope tokens that the API understands (RFC 6749 section 3.3).
        #[arg(long, required = true)]
        scope: Vec<String>,
        /// Lets access tokens for this API live so long; the shortest of client, resource server and default counts.
        #[arg(long, value_name = "DURATION", value_parser = seconds)]
        access_token_lifetime: Option<i64>,
        /// Signs access tokens for this API with ES256, RS256, PS256 or EdDSA (RFC 7518, RFC 8037).
        #[arg(long, value_name = "ALG", default_value = "ES256")]
        signing_algorithm: Algorithm,
    },
    /// Lists all resource servers.
    List,
    /// Shows a resource server.
    Show(Named),
    /// Changes a resource server; what is not given stays as it is.
    Update {
        #[command(flatten)]
        named: Named,
        /// Replaces the scope by the tokens given.
        #[arg(long)]
        scope: Option<Vec<String>>,
        /// Lets access tokens for this API live so long, or with `default` as the settings have it.
        #[arg(long, value_name = "DURATION", value_parser = seconds_or_default)]
        access_token_lifetime: Option<Choice<i64>>,
        /// Signs with another algorithm, as soon as every verifier can know a key of it.
        #[arg(long, value_name = "ALG")]
        signing_algorithm: Option<Algorithm>,
    },
    /// Makes a new secret for introspection and prints it, once; the old one ends now unless --keep-old-for says later.
    RotateSecret {
        #[command(flatten)]
        named: Named,
        /// Keeps the present secret valid for this long, to replace it everywhere without an outage.
        #[arg(long, value_name = "DURATION", value_parser = seconds)]
        keep_old_for: Option<i64>,
    },
    /// Issues no tokens for the API and refuses its introspection until it is enabled.
    Disable(Named),
    /// Lets a disabled resource server be served again.
    Enable(Named),
    /// Removes a resource server that no client lists any more.
    Delete(Named),
}

#[derive(Debug, Args)]
pub struct Named {
    /// Names the API by its URI, as it was registered.
    audience: String,
}

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    let console = place.console().await?;
    let (query, none) = (NoQuery {}, ());
    match command {
        Command::Create { audience, scope: flags, access_token_lifetime, signing_algorithm } => {
            let new = NewResourceServer { audience, scope: scope(&flags)?, access_token_lifetime, signing_algorithm };
            let done = console.ask::<CreateResourceServer>((), query, new).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting("at introspection its client_id is the audience"))
        }
        Command::List => {
            let page = |cursor, limit| PageQuery { cursor, limit };
            Report::list(&console.all::<ListResourceServers, ResourceServerView>((), page).await?, &COLUMNS)
        }
        Command::Show(Named { audience }) => {
            Report::record(&console.ask::<ShowResourceServer>(audience, query, none).await?, &MEMBERS)
        }
        Command::Update { named: Named { audience }, scope: flags, access_token_lifetime, signing_algorithm } => {
            let scope = flags.as_deref().map(scope).transpose()?;
            let change = ResourceServerChange { scope, access_token_lifetime, signing_algorithm };
            Report::done(&console.ask::<UpdateResourceServer>(audience, query, change).await?, &MEMBERS)
        }
        Command::RotateSecret { named: Named { audience }, keep_old_for } => {
            let rotation = SecretRotation { keep_old_for };
            let done = console.ask::<RotateResourceServerSecret>(audience, query, rotation).await?;
            Report::done(&done, &["audience", "previous_secret_expires_at"])
        }
        Command::Disable(Named { audience }) => {
            Report::done(&console.ask::<DisableResourceServer>(audience, query, none).await?, &MEMBERS)
        }
        Command::Enable(Named { audience }) => {
            Report::done(&console.ask::<EnableResourceServer>(audience, query, none).await?, &MEMBERS)
        }
        Command::Delete(Named { audience }) => {
            let done = console.ask::<DeleteResourceServer>(audience, query, none).await?;
            let note = format!("the resource server {} is deleted", done.view.audience);
            Ok(Report::done(&done, &MEMBERS)?.noting(note))
        }
    }
}
