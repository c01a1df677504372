//! The soak: `make soak`, or `cargo bench --bench soak -- --help`.
//!
//! Two instances of the release build behind HAProxy, on a PostgreSQL primary with a synchronous standby, under honest load of
//! every kind, while instances are killed, keys rotate, the database restarts and fails over. What clients were promised is
//! checked all the time, and judged at the end.
//!
//! A third instance, the witness, is on the same database and takes the same share of the load, past HAProxy: nobody kills
//! it, so that it has a memory curve to judge.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::checker::Checker;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::ledger::Ledger;
use crate::options::{Broken, Options};
use crate::pair::Pair;
use crate::report::Report;
use crate::schedule::{Lifetimes, Schedule};
use crate::site::Site;
use crate::workload::Workload;

mod balancer;
mod caller;
mod checker;
#[expect(dead_code, reason = "the soak waits as long as it likes to")]
#[path = "../load/client.rs"]
mod client;
#[expect(dead_code, reason = "the load benchmark fails in more ways")]
#[path = "../load/failure.rs"]
mod failure;
#[path = "../load/folder.rs"]
mod folder;
#[expect(dead_code, reason = "histograms are merged by the load benchmark alone")]
#[path = "../load/histogram.rs"]
mod histogram;
mod ledger;
mod node;
mod options;
mod pair;
#[expect(dead_code, reason = "a cluster of its own is what the load benchmark has")]
#[path = "../load/postgres.rs"]
mod postgres;
#[path = "../load/preparation.rs"]
mod preparation;
#[expect(dead_code, reason = "processor time is measured by the load benchmark alone")]
#[path = "../load/process.rs"]
mod process;
mod report;
mod schedule;
#[expect(dead_code, reason = "its servers are never killed")]
#[path = "../load/server.rs"]
mod server;
mod site;
#[path = "../load/supervised.rs"]
mod supervised;
mod verdict;
mod workload;

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        eprintln!("nothing soaked: start it with `make soak`");
        return ExitCode::SUCCESS;
    }
    soak_until_interrupted(&options).unwrap_or_else(|failure| {
        eprintln!("soak: {failure}");
        ExitCode::FAILURE
    })
}

/// A signal ends it like a failure: what was started is stopped, what was written is removed.
fn soak_until_interrupted(options: &Options) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(Failure::io("starting the runtime"))?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io("listening for signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("listening for signals"))?;
        tokio::select! {
            outcome = soak(options) => outcome,
            _ = interrupt.recv() => Err(Failure::Interrupted),
            _ = terminate.recv() => Err(Failure::Interrupted),
        }
    })
}

async fn soak(options: &Options) -> Result<ExitCode, Failure> {
    let machine = process::machine();
    // Declared first, removed last: after the servers whose files are in it have ended.
    let folder = Folder::create(&options.directory)?;
    eprintln!("soak: a primary and its synchronous standby");
    let mut pair = Pair::start(folder.path().join("postgres")).await?;
    let version = pair.version.clone();
    pair.create_database("signet").await?;
    eprintln!("soak: instances, HAProxy and subjects");
    let lifetimes = Lifetimes::new();
    let mut site = Site::start(&folder.path().join("signet"), &pair.url("signet"), options, &lifetimes).await?;
    let ledger = Arc::new(Ledger::new());
    let checker = Checker::start(&site, &ledger, options.broken).await?;
    let workload = Workload::start(&site, &ledger, options);
    let until = Duration::from_secs(options.seconds);
    eprintln!("soak: {} s from here", options.seconds);
    Schedule::of(options).run(&mut site, &mut pair, &ledger).await;
    ledger.reach(until).await;
    workload.finish().await;
    checker.finish().await;
    let report = Report::of(&ledger, options, &machine, &version);
    println!("{}", report.markdown());
    if let Some(path) = &options.report {
        fs::write(path, report.markdown()).map_err(Failure::io(format!("writing {}", path.display())))?;
    }
    if let Some(path) = &options.logs {
        site.keep_logs(path)?;
    }
    let broken = options.broken.map_or("", Broken::name);
    if !broken.is_empty() {
        eprintln!("soak: this was with --broken {broken}, and should have failed");
    }
    Ok(if report.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
