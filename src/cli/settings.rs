//! `signet settings`: what holds at run time, for every instance.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::value::{on_or_off, seconds};
use crate::admin::operation::NoQuery;
use crate::admin::operations::issuer::{ShowSettings, UpdateSettings};
use crate::admin::settings::SettingsChange;

const MEMBERS: [&str; 18] = [
    "access_token_lifetime",
    "refresh_idle_lifetime",
    "refresh_absolute_lifetime",
    "retry_window",
    "grant_limit",
    "login_throttling",
    "login_limit_per_name",
    "login_limit_per_address",
    "login_limit_per_pair",
    "login_limit_per_known_pair",
    "login_window",
    "login_longest_block",
    "key_rotation_interval",
    "key_publication_period",
    "key_retention",
    "jwks_max_age",
    "audit_retention",
    "audit_tokens",
];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows all settings.
    Show,
    /// Changes settings; what is not given stays as it is, and what would contradict is refused.
    #[command(arg_required_else_help = true)]
    Set(Box<Set>),
}

#[derive(Debug, Args)]
pub struct Set {
    /// Sets how long an access token lives for which neither client nor resource server says less.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    access_token_lifetime: Option<i64>,
    /// Sets how long a grant lives without a refresh.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    refresh_idle_lifetime: Option<i64>,
    /// Sets how long a grant lives in any case.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    refresh_absolute_lifetime: Option<i64>,
    /// Sets how long after its use a refresh token gets the same successor again, at most 5m.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    retry_window: Option<i64>,
    /// Sets how many live grants a user may have at a client, at most 10000: one more login ends the oldest.
    #[arg(long, value_name = "NUMBER")]
    grant_limit: Option<i64>,
    /// Counts failed password logins and makes guessers wait, or does not: on or off.
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off)]
    login_throttling: Option<bool>,
    /// Sets how many logins may fail under one name, wherever they come from, before the next ones have to wait.
    #[arg(long, value_name = "NUMBER")]
    login_limit_per_name: Option<i64>,
    /// Sets how many logins may fail from one address (of IPv6, the first 64 bits).
    #[arg(long, value_name = "NUMBER")]
    login_limit_per_address: Option<i64>,
    /// Sets how many logins may fail under one name from one address.
    #[arg(long, value_name = "NUMBER")]
    login_limit_per_pair: Option<i64>,
    /// Sets the same for an address from which the user has logged in before; no other limit holds there.
    #[arg(long, value_name = "NUMBER")]
    login_limit_per_known_pair: Option<i64>,
    /// Sets how long a failed login counts.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    login_window: Option<i64>,
    /// Sets how long logins have to wait at most; the first wait is 30s, and each one twice as long as the last.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    login_longest_block: Option<i64>,
    /// Sets how long each signing key signs before the next one does.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    key_rotation_interval: Option<i64>,
    /// Sets how long a key is in the JWKS before it signs, which must be longer than jwks_max_age.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    key_publication_period: Option<i64>,
    /// Sets how long a key stays in the JWKS after its last signature, which must be longer than any access token lives.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    key_retention: Option<i64>,
    /// Sets how long verifiers may keep the JWKS, as its Cache-Control max-age says.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    jwks_max_age: Option<i64>,
    /// Sets how long audit events are kept, at least 1d.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    audit_retention: Option<i64>,
    /// Records every token that is issued or refreshed as an audit event, or does not: on or off.
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off)]
    audit_tokens: Option<bool>,
}

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    let console = place.console().await?;
    match command {
        Command::Show => Report::record(&console.ask::<ShowSettings>((), NoQuery {}, ()).await?, &MEMBERS),
        Command::Set(set) => {
            let change = SettingsChange {
                access_token_lifetime: set.access_token_lifetime,
                refresh_idle_lifetime: set.refresh_idle_lifetime,
                refresh_absolute_lifetime: set.refresh_absolute_lifetime,
                retry_window: set.retry_window,
                key_rotation_interval: set.key_rotation_interval,
                key_publication_period: set.key_publication_period,
                key_retention: set.key_retention,
                jwks_max_age: set.jwks_max_age,
                grant_limit: set.grant_limit,
                login_throttling: set.login_throttling,
                login_limit_per_name: set.login_limit_per_name,
                login_limit_per_address: set.login_limit_per_address,
                login_limit_per_pair: set.login_limit_per_pair,
                login_limit_per_known_pair: set.login_limit_per_known_pair,
                login_window: set.login_window,
                login_longest_block: set.login_longest_block,
                audit_retention: set.audit_retention,
                audit_tokens: set.audit_tokens,
            };
            Report::done(&console.ask::<UpdateSettings>((), NoQuery {}, change).await?, &MEMBERS)
        }
    }
}
