//! `signet purge`: removes at once what the serving instances remove by and by.

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use crate::admin::operation::NoQuery;
use crate::admin::operations::issuer::PurgeEnded;

const TABLES: [&str; 7] =
    ["grants", "revocations", "status_leases", "status_lists", "key_set_fetches", "audit_events", "webhook_deliveries"];

pub async fn run(place: &Place) -> Result<Report, Failure> {
    Report::record(&place.console().await?.ask::<PurgeEnded>((), NoQuery {}, ()).await?, &TABLES)
}
