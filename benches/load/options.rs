//! The command line of the benchmark.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::login_flood::Manners;
use crate::scenario::Scenario;

/// Puts signet under load, on PostgreSQL and on SQLite, beside references that show what the machine can do.
#[derive(Parser)]
#[command(name = "load")]
pub struct Options {
    /// Measured seconds of a run, after one second of warm-up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Runs of each scenario; the median is reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connections: u32,
    /// One database only
    #[arg(long)]
    pub only: Option<Database>,
    /// This scenario and its reference only (may be repeated)
    #[arg(long)]
    scenario: Vec<Scenario>,
    /// How revocations travel, and nothing else
    #[arg(long, conflicts_with_all = ["only", "scenario"])]
    only_revocation: bool,
    /// Logins at once, beside refreshes and fetches of the key set, after the scenarios; 0 for none
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub flood: u32,
    /// The flood of logins only
    #[arg(long)]
    flood_only: bool,
    /// The flood of logins only, with half of the processors for signet alone: database and generator have the others
    #[arg(long, conflicts_with = "scenario")]
    pub apart: bool,
    /// In the flood, who is refused asks again at once, whatever `Retry-After` says
    #[arg(long)]
    insist: bool,
    /// Slow clients, beside honest requests, after all else; 0 for none
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub slow: u32,
    /// The slow clients only
    #[arg(long, conflicts_with_all = ["only", "scenario", "only_revocation", "flood_only", "apart"])]
    slow_only: bool,
    /// What an installation needs, with one and with two instances, and nothing else
    #[arg(long, conflicts_with_all = ["only", "scenario", "only_revocation", "flood_only", "apart", "slow_only"])]
    sizing_only: bool,
    /// Writes every run's figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where the databases are put, in a folder removed at the end: a disk, not memory
    #[arg(long, default_value = "/var/tmp")]
    pub directory: PathBuf,

    /// What cargo passes to a benchmark, and does not when it only wants to know that it starts (`cargo test`)
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Serves the references on this address, as a child of the benchmark
    #[arg(long, hide = true, requires_all = ["database", "rows"])]
    pub reference: Option<SocketAddr>,
    #[arg(long, hide = true)]
    pub database: Option<String>,
    #[arg(long, hide = true)]
    pub rows: Option<u32>,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
pub enum Database {
    #[value(name = "pg")]
    Postgres,
    Sqlite,
}

impl Options {
    /// What is to be measured, in the order of measuring.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let mut scenarios = self.scenario.clone();
        if scenarios.is_empty() && !self.only_floods() {
            scenarios.extend(Scenario::value_variants());
        }
        scenarios.extend(scenarios.clone().into_iter().filter_map(Scenario::reference));
        scenarios.sort();
        scenarios.dedup();
        scenarios
    }

    fn only_floods(&self) -> bool {
        self.flood_only || self.apart
    }

    /// How many logins are to come at once, and how they behave: none where single scenarios were asked for.
    pub fn flood(&self) -> Option<(usize, Manners)> {
        let manners = if self.insist { Manners::Insist } else { Manners::Wait };
        (self.flood > 0 && (self.only_floods() || self.scenario.is_empty())).then_some((self.flood as usize, manners))
    }

    pub fn databases(&self) -> Vec<Database> {
        if self.only_revocation || self.slow_only || self.sizing_only {
            return Vec::new();
        }
        self.only.map_or_else(|| Database::value_variants().to_vec(), |one| vec![one])
    }

    pub fn measures_revocation(&self) -> bool {
        let is_alone = self.slow_only || self.sizing_only || self.only_floods();
        let is_all = self.only != Some(Database::Sqlite) && self.scenario.is_empty() && !is_alone;
        self.only_revocation || is_all
    }

    pub fn measures_sizing(&self) -> bool {
        self.sizing_only || self.is_everything()
    }

    fn is_everything(&self) -> bool {
        let is_alone = self.slow_only || self.sizing_only || self.only_floods() || self.only_revocation;
        self.only.is_none() && self.scenario.is_empty() && !is_alone
    }

    /// How many slow clients there are to be: none where something else alone was asked for.
    pub fn slow_clients(&self) -> Option<usize> {
        (self.slow > 0 && (self.slow_only || self.is_everything())).then_some(self.slow as usize)
    }
}
