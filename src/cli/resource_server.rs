//! `signet resource-server`: the APIs that tokens are for.

use clap::{Args, Subcommand};

use super::compose;
use super::failure::Failure;
use super::output::Report;
use super::value::{scope, seconds, seconds_or_default};
use crate::admin::resource_servers::{NewResourceServer, ResourceServerChange, ResourceServerView};
use crate::admin::{Choice, every};
use crate::config::Config;
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

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let admin = compose::admin(config).await?;
    match command {
        Command::Create { audience, scope: flags, access_token_lifetime, signing_algorithm } => {
            let new = NewResourceServer { audience, scope: scope(&flags)?, access_token_lifetime, signing_algorithm };
            let done = admin.create_resource_server(new).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting("at introspection its client_id is the audience"))
        }
        Command::List => {
            let page = async |after: &String, limit| admin.resource_servers(after, limit).await;
            let all = every(String::new(), page, |server: &ResourceServerView| server.audience.clone()).await?;
            Report::list(&all, &COLUMNS)
        }
        Command::Show(Named { audience }) => Report::record(&admin.resource_server(&audience).await?, &MEMBERS),
        Command::Update { named: Named { audience }, scope: flags, access_token_lifetime, signing_algorithm } => {
            let scope = flags.as_deref().map(scope).transpose()?;
            let change = ResourceServerChange { scope, access_token_lifetime, signing_algorithm };
            Report::done(&admin.update_resource_server(&audience, change).await?, &MEMBERS)
        }
        Command::RotateSecret { named: Named { audience }, keep_old_for } => {
            let done = admin.rotate_resource_server_secret(&audience, keep_old_for).await?;
            Report::done(&done, &["audience", "previous_secret_expires_at"])
        }
        Command::Disable(Named { audience }) => {
            Report::done(&admin.disable_resource_server(&audience).await?, &MEMBERS)
        }
        Command::Enable(Named { audience }) => Report::done(&admin.enable_resource_server(&audience).await?, &MEMBERS),
        Command::Delete(Named { audience }) => {
            let done = admin.delete_resource_server(&audience).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting(format!("the resource server {audience} is deleted")))
        }
    }
}
