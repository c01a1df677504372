//! What an installation needs: requests per second and core of each grant, what the database does for one, and memory, with
//! one and with two instances over one PostgreSQL.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::drive::{Measurement, Processes, drive};
use crate::failure::Failure;
use crate::instance::Instance;
use crate::options::Options;
use crate::postgres::Cluster;
use crate::report::median;
use crate::scenario::Scenario;

const SCENARIOS: [Scenario; 7] = [
    Scenario::ClientCredentialsEs256,
    Scenario::ClientCredentialsRs256,
    Scenario::Password,
    Scenario::Refresh,
    Scenario::Introspection,
    Scenario::Revocation,
    Scenario::Jwks,
];

/// After so long without a statement a connection of PostgreSQL hands in what it has counted (`PGSTAT_IDLE_INTERVAL`), with
/// a second to spare.
const COUNTED: Duration = Duration::from_secs(11);

pub struct Sizing {
    database: String,
    parts: Vec<Part>,
}

/// What was measured with so many instances.
struct Part {
    instances: usize,
    idle_resident_mib: f64,
    idle_per_second: Writes,
    rows: Vec<Row>,
}

struct Row {
    scenario: Scenario,
    runs: Vec<Measurement>,
    per_request: Writes,
}

/// What the database has done, or has done for one request.
#[derive(Clone, Copy)]
struct Writes {
    commits: f64,
    /// Inserted, updated or deleted.
    rows: f64,
    /// Of the write-ahead log, with its full-page images.
    log_bytes: f64,
}

pub async fn measure(folder: &Path, options: &Options) -> Result<Sizing, Failure> {
    let cluster = Cluster::start(folder.join("postgres")).await?;
    let url = cluster.create_database("sizing").await?;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let connections = options.connections as usize;
    let one = Instance::start(&folder.join("sizing"), Some(&url), connections, 1).await?;
    let mut sizing = Sizing { database: cluster.version.clone(), parts: Vec::new() };
    sizing.parts.push(part(&[&one], &cluster, &client, options).await?);
    let two = one.another().await?;
    sizing.parts.push(part(&[&one, &two], &cluster, &client, options).await?);
    Ok(sizing)
}

async fn part(instances: &[&Instance], cluster: &Cluster, client: &Client, options: &Options) -> Result<Part, Failure> {
    sleep(COUNTED).await;
    let before = Writes::of(client).await?;
    sleep(COUNTED).await;
    let idle_per_second = Writes::of(client).await?.minus(before).times(1.0 / COUNTED.as_secs_f64());
    // The one that has worked already keeps what it has taken.
    let idle_resident_mib = instances.last().map_or(0.0, |instance| instance.idle_resident_mib);
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        rows.push(row(scenario, instances, (cluster, client), options, idle_per_second).await?);
    }
    Ok(Part { instances: instances.len(), idle_resident_mib, idle_per_second, rows })
}

/// What is written is counted in the first run: it differs less between runs than it costs to wait for.
async fn row(
    scenario: Scenario,
    instances: &[&Instance],
    (cluster, client): (&Cluster, &Client),
    options: &Options,
    idle_per_second: Writes,
) -> Result<Row, Failure> {
    let (mut runs, mut per_request) = (Vec::new(), None);
    for run in 1..=options.runs {
        let mut conversations = Vec::new();
        for instance in instances {
            let share = (options.connections as usize / instances.len()).max(1);
            conversations.extend(scenario.with_signet(instance, share, options.seconds + 2).await?);
        }
        let counts = per_request.is_none();
        if counts {
            sleep(COUNTED).await;
        }
        let (before, began) = (Writes::of(client).await?, tokio::time::Instant::now());
        let servers = instances.iter().map(|instance| instance.server.supervised.process()).collect();
        let processes = Processes { servers, database: Some(cluster.process()) };
        let measurement = drive(processes, conversations, Duration::from_secs(options.seconds)).await?;
        let (title, rate) = (scenario.title(), measurement.requests_per_second);
        eprintln!(
            "sizing: {} instances: run {run} of {}: {title}: {rate:.0} requests/s",
            instances.len(),
            options.runs
        );
        if let Some(error) = &measurement.first_error {
            eprintln!("  {} errors, the first: {error}", measurement.errors);
        }
        if counts {
            sleep(COUNTED).await;
            let idle = idle_per_second.times(began.elapsed().as_secs_f64());
            let written = Writes::of(client).await?.minus(before).minus(idle);
            per_request = Some(written.times(1.0 / f64::from(measurement.answered.max(1))));
        }
        runs.push(measurement);
    }
    Ok(Row { scenario, runs, per_request: per_request.unwrap_or(idle_per_second) })
}

impl Writes {
    /// Since the database was created.
    async fn of(client: &Client) -> Result<Self, Failure> {
        let statement = "SELECT xact_commit::float8, (tup_inserted + tup_updated + tup_deleted)::float8,
            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8
            FROM pg_stat_database WHERE datname = current_database()";
        let row = client.query_one(statement, &[]).await?;
        Ok(Self { commits: row.get(0), rows: row.get(1), log_bytes: row.get(2) })
    }
}

impl Writes {
    fn minus(self, other: Self) -> Self {
        Self {
            commits: self.commits - other.commits,
            rows: self.rows - other.rows,
            log_bytes: self.log_bytes - other.log_bytes,
        }
    }

    fn times(self, factor: f64) -> Self {
        Self { commits: self.commits * factor, rows: self.rows * factor, log_bytes: self.log_bytes * factor }
    }

    fn json(self) -> Value {
        json!({ "commits": self.commits, "rows": self.rows, "log_bytes": self.log_bytes })
    }
}

impl Row {
    fn median(&self, value: impl Fn(&Measurement) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }

    fn markdown(&self) -> String {
        let Writes { commits, rows, log_bytes } = self.per_request;
        // What is left of the rest of the server's work, after taking it off, may be a little below nothing.
        let some = |value: f64| value.max(0.0);
        let server = self.median(|run| run.cpu_us_per_request);
        format!(
            "| {} | {:.0} | {server:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} |",
            self.scenario.title(),
            self.median(|run| run.requests_per_second),
            1e6 / server.max(1.0),
            self.median(|run| run.database_us_per_request),
            self.median(|run| run.p99_ms),
            some(commits),
            some(rows),
            some(log_bytes),
            self.median(|run| run.resident_mib),
        )
    }
}

impl Part {
    fn markdown(&self) -> Vec<String> {
        let count =
            if self.instances == 1 { "One instance".to_owned() } else { format!("{} instances", self.instances) };
        let mut lines = vec![
            format!("#### {count}\n"),
            "| request | requests/s | server CPU µs | requests/s and core | database CPU µs | p99 ms | commits | rows written | \
             log bytes | RSS MiB |"
                .to_owned(),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        lines.extend(self.rows.iter().map(Row::markdown));
        let Writes { commits, rows, log_bytes } = self.idle_per_second;
        lines.push(format!(
            "\nIdle: {commits:.1} commits, {rows:.1} rows written and {log_bytes:.0} bytes of log a second in all; a new \
             instance has {:.1} MiB.\n",
            self.idle_resident_mib
        ));
        lines
    }
}

impl Sizing {
    pub fn errors(&self) -> u32 {
        self.parts.iter().flat_map(|part| &part.rows).flat_map(|row| &row.runs).map(|run| run.errors).sum()
    }

    pub fn markdown(&self) -> String {
        let mut lines = vec![format!("### Sizing, {}\n", self.database)];
        lines.extend(self.parts.iter().flat_map(Part::markdown));
        lines.join("\n")
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let runs: Vec<_> = row.runs.iter().map(Measurement::json).collect();
            json!({ "scenario": row.scenario.title(), "runs": runs, "per_request": row.per_request.json() })
        };
        let part = |part: &Part| {
            json!({
                "instances": part.instances, "idle_resident_mib": part.idle_resident_mib,
                "idle_per_second": part.idle_per_second.json(), "rows": part.rows.iter().map(row).collect::<Vec<_>>(),
            })
        };
        json!({ "database": self.database, "parts": self.parts.iter().map(part).collect::<Vec<_>>() })
    }
}
