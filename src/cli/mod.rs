//! The command line: what a user of the shell types, and what is printed. What it may do is decided in `admin`; each noun
//! has a file that turns its flags into a call and the answer into a `Report`.
//!
//! Exit status: 0 done, 1 refused (or a token that does not hold), 2 misused.

mod admin;
mod audit;
mod backup;
mod certificate;
mod client;
pub mod compose;
mod csv_line;
mod database;
mod database_wait;
mod dev;
mod doctor;
pub mod failure;
mod grant;
mod hangup;
mod health;
mod key;
mod key_export;
mod key_import;
mod lines;
mod master_key;
mod open_files;
mod output;
#[cfg(test)]
mod parity;
mod passphrase;
mod place;
mod private_file;
mod profile;
mod progress;
mod prompts;
mod purge;
mod remote;
mod resource_server;
mod serve;
mod settings;
mod shutdown;
mod statistics;
mod supervisor;
mod tls;
mod token;
mod user;
mod user_file;
mod user_import;
mod value;
mod webhook;
#[cfg(windows)]
mod windows_service;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::telemetry;
use failure::Failure;
use output::Report;
use place::Place;

/// signet, an OAuth 2 token provider (RFC 6749).
#[derive(Debug, Parser)]
#[command(name = "signet", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Reads the configuration from this TOML file; environment variables win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints one JSON document, with the names of RFC 7591 and RFC 7662 where they exist.
    #[arg(long, global = true)]
    json: bool,
    /// Works at a running server over its administration API (SIGNET_ADMIN_LISTEN), such as https://auth.example.com:8444.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Reads server, token or client from this TOML file, which only its owner may read.
    #[arg(long, global = true, value_name = "FILE")]
    profile: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the issuer until SIGINT or SIGTERM. The configuration comes from SIGNET_… variables and --config.
    Serve,
    /// Serves an issuer to try things out on, with a certificate, a demo API, client and user made on first use.
    Dev,
    /// Brings the database to this program's schema; `serve` and every command do so by themselves.
    Migrate,
    /// Moves an issuer from one database to another.
    #[command(subcommand)]
    Database(database::Command),
    /// Checks settings, database, master key, signing keys, clock and whether the issuer can be reached.
    Doctor,
    /// Asks this host's server whether it is ready (GET /readyz): for health checks of containers.
    Health(health::Arguments),
    /// Installs, removes and runs the service of Windows.
    #[cfg(windows)]
    #[command(subcommand)]
    Service(windows_service::Command),
    /// Removes grants, revocations, leases, status lists, verifiers and audit events that have ended, as serving instances do
    /// all the time.
    Purge,
    /// Manages users, who log in with a password.
    #[command(subcommand)]
    User(user::Command),
    /// Manages clients: the software that asks for tokens (RFC 6749 section 2).
    #[command(subcommand)]
    Client(client::Command),
    /// Manages resource servers: the APIs that tokens are for (RFC 6749 section 1.1, RFC 8707).
    #[command(subcommand)]
    ResourceServer(resource_server::Command),
    /// Shows, rotates, imports and exports the signing keys that the JWKS publishes (RFC 7517).
    #[command(subcommand)]
    Key(key::Command),
    /// Shows and revokes grants: what users have approved for clients (RFC 6749 section 1.3).
    #[command(subcommand)]
    Grant(grant::Command),
    /// Explains tokens (RFC 9068, RFC 7662).
    #[command(subcommand)]
    Token(token::Command),
    /// Manages webhooks: who is told of security events (RFC 8417), by push (RFC 8935) or poll (RFC 8936).
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Shows and changes the settings that hold at run time: lifetimes, limits and key rotation.
    #[command(subcommand)]
    Settings(settings::Command),
    /// Makes and replaces the master key, which seals every other secret in the database.
    #[command(subcommand)]
    MasterKey(master_key::Command),
    /// Lists, exports and verifies the audit trail: who did what, from where, and whether it came about.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Writes, checks and restores encrypted backups of the whole issuer.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Counts users, clients, grants, keys and revocations.
    Statistics,
    /// Makes the first administrator of the administration API, and describes that API.
    #[command(subcommand)]
    Admin(admin::Command),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // There is nowhere left to report that the report cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    #[cfg(windows)]
    if let Command::Service(windows_service::Command::Run { log_file }) = &command {
        return windows_service::run(log_file, global.config);
    }
    let done = carry_out(&global, command).and_then(|report| {
        report.print(global.json)?;
        Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::from(1) })
    });
    done.unwrap_or_else(|failure| failure.print(global.json))
}

fn carry_out(global: &Global, command: Command) -> Result<Report, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let runtime = runtime()?;
    let serves = matches!(command, Command::Serve | Command::Dev);
    // A command's own words are enough; a server's log is all that it says.
    let filter = if serves { config.log.as_str() } else { "warn" };
    telemetry::init(filter, config.log_format).map_err(|error| Failure::Unusable(error.to_string()))?;
    let place = Place { config, server: global.server.clone(), profile: global.profile.clone() };
    runtime.block_on(async {
        match command {
            Command::Serve => serve::serve(place.here(BESIDE)?).await.map(|()| Report::nothing()),
            Command::Dev => dev::dev(place.here(BESIDE)?).await.map(|()| Report::nothing()),
            Command::Migrate => database::migrate(place.here(BESIDE)?).await,
            Command::Database(command) => database::run(command, place.here(BESIDE)?).await,
            Command::Doctor => doctor::run(place.here(BESIDE)?).await,
            Command::Health(arguments) => health::run(&arguments, place.here(BESIDE)?).await,
            #[cfg(windows)]
            Command::Service(command) => {
                place.here(BESIDE)?;
                windows_service::manage(&command, global.config.as_ref())
            }
            Command::Purge => purge::run(&place).await,
            Command::Statistics => statistics::run(&place).await,
            Command::User(command) => user::run(command, &place).await,
            Command::Client(command) => client::run(command, &place).await,
            Command::ResourceServer(command) => resource_server::run(command, &place).await,
            Command::Key(command) => key::run(command, &place).await,
            Command::Grant(command) => grant::run(command, &place).await,
            Command::Token(command) => token::run(command, &place).await,
            Command::Webhook(command) => webhook::run(command, &place).await,
            Command::Settings(command) => settings::run(command, &place).await,
            Command::MasterKey(command) => master_key::run(command, place.here(SECRETS)?).await,
            Command::Audit(command) => audit::run(command, &place).await,
            Command::Backup(command) => backup::run(command, place.here(SECRETS)?).await,
            Command::Admin(command) => admin::run(command, place.here(BESIDE)?).await,
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Unusable(format!("no threads to work with: {error}")))
}

/// Why a command is not carried out at a server.
const BESIDE: &str = "it works on the machine's own configuration, database and files";
const SECRETS: &str = "the master key and what it seals leave the machine on no connection";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_says_what_it_does() {
        fn is_described(help: Option<&clap::builder::StyledStr>) -> bool {
            let help = help.map(ToString::to_string).unwrap_or_default();
            help.starts_with(char::is_uppercase) && help.split(' ').count() > 2
        }
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(is_described(argument.get_help()), "{} {}", command.get_name(), argument.get_id());
            }
            for command in command.get_subcommands() {
                assert!(is_described(command.get_about()), "{}", command.get_name());
                check(command);
            }
        }
        check(&Cli::command());
    }
}
