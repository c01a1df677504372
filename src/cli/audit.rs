//! `signet audit`: what has happened, and whether the record of it can be trusted.

use std::io::{BufWriter, Write as _};

use chrono::{DateTime, Duration, Utc};
use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::Report;
use super::place::{Console, Place};
use super::value::{Moment, moment};
use crate::admin::audit_trail::Verification;
use crate::admin::operation::NoQuery;
use crate::admin::operations::audit::{EventsQuery, ListAuditEvents, VerifyAuditTrail};
use crate::admin::page::LARGEST;
use crate::clock::Clock;
use crate::store::audit_events::Outcome;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists events, the newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// Lists at most so many.
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Writes events to standard output, the oldest first, each as a line of JSON.
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Verifies that no event was altered, removed or added since it was sealed; exit status 1 when one was.
    Verify,
}

#[derive(Debug, Args)]
pub struct Which {
    /// Takes only events of this user: what the user did, and what was done to the user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Takes only events of this client, in the same way.
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Takes only what this actor did: cli, signet, client:ID or user:NAME.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Takes only this action, or all that begin so when it ends with a dot: login.failure, or login.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Takes only what came about, or only what did not: success or failure.
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<Outcome>,
    /// Takes only events from this time on, as RFC 3339 has it, or so long ago: 2026-01-05T12:00:00Z, or 2h.
    #[arg(long, value_name = "TIME|DURATION", value_parser = moment)]
    since: Option<Moment>,
    /// Takes only events before this time.
    #[arg(long, value_name = "TIME|DURATION", value_parser = moment)]
    until: Option<Moment>,
}

impl Which {
    fn query(&self, now: DateTime<Utc>) -> EventsQuery {
        let time = |moment: &Moment| match moment {
            Moment::At(time) => *time,
            Moment::Ago(seconds) => now - Duration::seconds(*seconds),
        };
        EventsQuery {
            username: self.user.clone(),
            client_id: self.client.clone(),
            actor: self.actor.clone(),
            action: self.action.clone(),
            outcome: self.outcome,
            from: self.since.as_ref().map(time),
            until: self.until.as_ref().map(time),
            ..EventsQuery::default()
        }
    }
}

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    let console = place.console().await?;
    let now = Clock::system().now();
    match command {
        Command::List { which, limit } => list(&console, which.query(now), i64::from(limit)).await,
        Command::Export { which } => export(&console, which.query(now)).await,
        Command::Verify => report(&console.ask::<VerifyAuditTrail>((), NoQuery {}, ()).await?),
    }
}

async fn list(console: &Console, query: EventsQuery, limit: i64) -> Result<Report, Failure> {
    let (mut found, mut cursor, mut left) = (Vec::new(), None, limit);
    while left > 0 {
        let asked = left.min(LARGEST);
        let query = EventsQuery { cursor, limit: Some(asked), ..query.clone() };
        let page = console.ask::<ListAuditEvents>((), query, ()).await?;
        found.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        left -= asked;
    }
    Report::list(&found, &["at", "actor", "action", "target", "outcome", "address", "request_id"])
}

/// Page by page, so that a trail of any length needs no memory.
async fn export(console: &Console, query: EventsQuery) -> Result<Report, Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut cursor = None;
    loop {
        let query = EventsQuery { cursor, limit: Some(LARGEST), oldest_first: true, ..query.clone() };
        let page = console.ask::<ListAuditEvents>((), query, ()).await?;
        for event in &page.items {
            serde_json::to_writer(&mut out, event).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    out.flush()?;
    Ok(Report::nothing())
}

fn report(found: &Verification) -> Result<Report, Failure> {
    let mut report = Report::record(
        found,
        &["holds", "seals", "purged_seals", "youngest_purged", "events", "unsealed_events", "newest"],
    )?;
    report.holds = found.holds;
    for finding in &found.findings {
        let seal = finding.seal.map(|seal| format!("seal {seal}: ")).unwrap_or_default();
        let event = finding.event_id.map(|id| format!("event {id}: ")).unwrap_or_default();
        report = report.noting(format!("{seal}{event}{}", finding.description));
    }
    if found.further_findings > 0 {
        report = report.noting(format!("and {} findings more", found.further_findings));
    }
    for key in found.keys.iter().filter(|key| !key.known) {
        report = report.noting(format!(
            "seals {} to {} are by key {}, which this issuer does not have any more: the seals after them vouch for them",
            key.first_seal, key.last_seal, key.kid
        ));
    }
    Ok(report)
}
