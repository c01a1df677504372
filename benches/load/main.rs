//! The load benchmark: `cargo bench --bench load -- --help`.
//!
//! It starts the release build of signet on a private PostgreSQL cluster and on SQLite, puts each endpoint under load,
//! and sets the figures beside those of bare reference servers measured in the same minutes on the same machine.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::drive::Processes;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::instance::Instance;
use crate::options::{Database, Options};
use crate::postgres::Cluster;
use crate::report::{Section, Start};
use crate::server::{Server, free_address};

mod client;
mod conversation;
mod drive;
mod failure;
mod folder;
mod histogram;
mod instance;
mod login_flood;
mod options;
mod postgres;
mod preparation;
#[path = "../../src/store/backend/prepared.rs"]
mod prepared;
mod process;
mod processors;
mod reference;
mod reference_database;
mod report;
mod revocation;
mod scenario;
mod server;
mod sizing;
mod slow_clients;
#[expect(dead_code, reason = "the soak alone stops a server by another signal than its own")]
mod supervised;

/// HTTP workers of every server measured, so that their figures compare.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = if let Some(address) = options.reference {
        reference::serve(address, options.database.as_deref().unwrap_or_default(), options.rows.unwrap_or_default())
            .map(|()| ExitCode::SUCCESS)
    } else if options.bench {
        bench_until_interrupted(&options)
    } else {
        eprintln!("nothing measured: start it with `cargo bench --bench load`");
        Ok(ExitCode::SUCCESS)
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("load: {failure}");
        ExitCode::FAILURE
    })
}

/// One thread for everything, since the servers under load need the others. A signal ends it like a failure: what was
/// started is stopped, what was written is removed.
fn bench_until_interrupted(options: &Options) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::io("starting the runtime"))?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io("listening for signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("listening for signals"))?;
        tokio::select! {
            outcome = bench(options) => outcome,
            _ = interrupt.recv() => Err(Failure::Interrupted),
            _ = terminate.recv() => Err(Failure::Interrupted),
        }
    })
}

async fn bench(options: &Options) -> Result<ExitCode, Failure> {
    let machine = process::machine();
    println!(
        "{} cores, {}, load average before {}; {} connections, {} runs of {} s",
        machine["cores"],
        machine["processor"].as_str().unwrap_or_default(),
        machine["load_average_before"],
        options.connections,
        options.runs,
        options.seconds
    );
    if options.apart {
        processors::divide()?;
    }
    let mut sections = Vec::new();
    for database in options.databases() {
        match measure(options, database).await {
            Ok(section) => {
                println!("\n{}", section.markdown());
                sections.push(section);
            }
            Err(Failure::PostgresMissing) if options.only.is_none() => {
                println!("\n### PostgreSQL\n\nNot measured: {}", Failure::PostgresMissing);
            }
            Err(failure) => return Err(failure),
        }
    }
    let revocation = where_postgres_is(revocation(options).await)?;
    if let Some(figures) = &revocation {
        println!("\n{}", figures.markdown());
    }
    let sizing = where_postgres_is(sizing(options).await)?;
    if let Some(figures) = &sizing {
        println!("\n{}", figures.markdown());
    }
    let slow = match options.slow_clients() {
        Some(clients) => {
            let folder = Folder::create(&options.directory)?;
            let measured = Duration::from_secs(options.seconds);
            Some(slow_clients::measure(folder.path(), clients, measured).await?)
        }
        None => None,
    };
    if let Some(figures) = &slow {
        println!("\n{}", figures.markdown());
    }
    if let Some(path) = &options.json {
        let sections: Vec<_> = sections.iter().map(Section::json).collect();
        let revocation = revocation.as_ref().map(revocation::Figures::json);
        let sizing = sizing.as_ref().map(sizing::Sizing::json);
        let slow = slow.as_ref().map(slow_clients::SlowClients::json);
        let report = json!({
            "machine": machine, "connections": options.connections, "databases": sections, "revocation": revocation,
            "sizing": sizing, "slow_clients": slow,
        });
        fs::write(path, format!("{report:#}\n")).map_err(Failure::io(format!("writing {}", path.display())))?;
    }
    let good = sections.iter().all(|section| section.errors() == 0)
        && revocation.is_none_or(|figures| figures.is_good())
        && sizing.is_none_or(|figures| figures.errors() == 0)
        && slow.is_none_or(|figures| figures.errors() == 0);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing is measured of what needs PostgreSQL where there is none.
fn where_postgres_is<T>(measured: Result<Option<T>, Failure>) -> Result<Option<T>, Failure> {
    match measured {
        Err(Failure::PostgresMissing) => Ok(None),
        measured => measured,
    }
}

/// How revocations travel, unless only something else is asked for.
async fn revocation(options: &Options) -> Result<Option<revocation::Figures>, Failure> {
    if !options.measures_revocation() {
        return Ok(None);
    }
    let folder = Folder::create(&options.directory)?;
    let cluster = Cluster::start(folder.path().join("postgres")).await?;
    revocation::measure(folder.path(), &cluster, options.seconds).await.map(Some)
}

/// What an installation needs, unless only something else is asked for.
async fn sizing(options: &Options) -> Result<Option<sizing::Sizing>, Failure> {
    if !options.measures_sizing() {
        return Ok(None);
    }
    let folder = Folder::create(&options.directory)?;
    sizing::measure(folder.path(), options).await.map(Some)
}

async fn measure(options: &Options, database: Database) -> Result<Section, Failure> {
    // Declared first, removed last: after the servers whose files are in it have ended.
    let folder = Folder::create(&options.directory)?;
    let cluster = match database {
        Database::Postgres => Some(Cluster::start(folder.path().join("postgres")).await?),
        Database::Sqlite => None,
    };
    let (title, signet_url, reference_url) = match &cluster {
        Some(cluster) => {
            let urls = (cluster.create_database("signet").await?, cluster.create_database("reference").await?);
            (cluster.version.clone(), Some(urls.0), urls.1)
        }
        None => ("SQLite".to_owned(), None, folder.path().join("reference.db").display().to_string()),
    };
    let scenarios = options.scenarios();
    let connections = options.connections as usize;
    let signet = if scenarios.iter().all(|scenario| scenario.is_reference()) && options.flood().is_none() {
        None
    } else {
        eprintln!("{title}: preparing signet");
        let folder = folder.path().join("signet");
        Some(Instance::start(&folder, signet_url.as_deref(), connections, options.runs as usize).await?)
    };
    let reference = start_reference(folder.path(), &reference_url, options.connections).await?;
    let start = signet.as_ref().map(Start::of);
    let mut section =
        Section { database: title, start, rows: scenarios.into_iter().map(|s| (s, Vec::new())).collect(), flood: None };
    for run in 1..=options.runs {
        for (scenario, measurements) in &mut section.rows {
            let (server, conversations) = match &signet {
                Some(signet) if !scenario.is_reference() => {
                    (&signet.server, scenario.with_signet(signet, connections, options.seconds + 2).await?)
                }
                _ => (&reference, scenario.with_reference(&reference, connections)),
            };
            let measured = Duration::from_secs(options.seconds);
            let database = cluster.as_ref().map(Cluster::process);
            let processes = Processes { servers: vec![server.supervised.process()], database };
            let measurement = drive::drive(processes, conversations, measured).await?;
            let (name, rate) = (scenario.title(), measurement.requests_per_second);
            eprintln!("{}: run {run} of {}: {name}: {rate:.0} requests/s", section.database, options.runs);
            if let Some(error) = &measurement.first_error {
                eprintln!("  {} errors, the first: {error}", measurement.errors);
            }
            measurements.push(measurement);
        }
    }
    if let (Some(signet), Some((logins, manners))) = (&signet, options.flood()) {
        eprintln!("{}: {logins} logins at once", section.database);
        let measured = Duration::from_secs(options.seconds);
        section.flood = Some(login_flood::measure(signet, (logins, manners), measured).await?);
    }
    Ok(section)
}

/// This same program, as a child that serves the references.
async fn start_reference(folder: &Path, database_url: &str, rows: u32) -> Result<Server, Failure> {
    let program = std::env::current_exe().map_err(Failure::io("finding this program"))?;
    let address = free_address()?;
    Server::start("the reference server", &program, &folder.join("reference.log"), address, |command| {
        command.args(["--reference", &address.to_string(), "--database", database_url, "--rows", &rows.to_string()]);
    })
    .await
}
