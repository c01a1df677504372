//! `signet purge`: removes at once what the serving instances remove by and by.

use super::compose;
use super::failure::Failure;
use super::output::Report;
use crate::clock::Clock;
use crate::config::Config;
use crate::oauth::purge::Purge;

const TABLES: [&str; 5] = ["grants", "revocations", "status_leases", "status_lists", "key_set_fetches"];

pub async fn run(config: &Config) -> Result<Report, Failure> {
    let store = compose::store(config).await?;
    Report::record(&Purge::new(store, Clock::system()).everything().await?, &TABLES)
}
