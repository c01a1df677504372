//! `signet migrate` and `signet database`: the schema, and moving an issuer from one database to another.

use clap::Subcommand;
use serde_json::json;

use super::compose;
use super::failure::Failure;
use super::output::{self, Report};
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::store::audit_events::{self, Author};
use crate::store::copy::copy;
use crate::store::migrations::Schema;
use crate::store::tables::Tally;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies the whole issuer into an empty database and compares the two; tokens issued before go on working there.
    Copy {
        /// The database to copy to: postgres://…, or sqlite:FILE. It is given as SIGNET_DATABASE_URL is.
        #[arg(long, value_name = "URL")]
        to: String,
    },
}

pub async fn migrate(config: &Config) -> Result<Report, Failure> {
    let store = compose::open_store(config)?;
    match store.migrate().await? {
        Schema::Newer { unknown } => Err(compose::newer(&unknown)),
        Schema::Current { applied } => Report::record(&json!({ "applied": applied }), &["applied"]),
        Schema::Behind { pending, .. } => Err(Failure::Unusable(format!("{pending} migrations were not run"))),
    }
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let Command::Copy { to } = command;
    let variables = [("SIGNET_DATABASE_URL".to_owned(), to)];
    let target = Config::from_sources(variables, None)
        .map_err(|_| Failure::Usage("--to: expected postgres://… or sqlite:FILE".to_owned()))?;
    let source = compose::store(config).await?;
    let target = compose::store(&target).await?;
    if source.database() == target.database() {
        return Err(Failure::Usage("--to: this is the database to copy from".to_owned()));
    }
    // First, so that nobody takes everything along unrecorded.
    let at = Clock::system().now();
    let id = Entropy::system().ordered_uuid(at);
    let event = Author::local("cli").event((id, at), "database.copy", "database", json!({}));
    audit_events::insert(&mut source.writing().await?, &event).await?;
    let mut tables = Vec::new();
    let copied = copy(&source, &target, |table, Tally { rows, checksum }| {
        // What is lost when standard error is closed is only the progress.
        let _ = output::line(std::io::stderr(), &format!("{table}: {rows} rows copied and compared"));
        let checksum: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        tables.push(json!({ "table": table, "rows": rows, "checksum": checksum }));
    });
    copied.await.map_err(|error| Failure::Unusable(error.to_string()))?;
    Ok(Report::list(&tables, &["table", "rows", "checksum"])?.noting(
        "what is written to the old database from now on is not in the new one: set SIGNET_DATABASE_URL to the new one, \
         keep the same SIGNET_MASTER_KEY_FILE, and restart",
    ))
}
