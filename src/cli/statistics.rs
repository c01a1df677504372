//! `signet statistics`: how many of what there is.

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use crate::admin::operation::NoQuery;
use crate::admin::operations::issuer::ShowStatistics;

const MEMBERS: [&str; 7] =
    ["users", "clients", "resource_servers", "grants", "revocations", "signing_keys", "published_keys"];

pub async fn run(place: &Place) -> Result<Report, Failure> {
    Report::record(&place.console().await?.ask::<ShowStatistics>((), NoQuery {}, ()).await?, &MEMBERS)
}
