//! The figures, as Markdown and as JSON: of several runs the median, of errors the sum.

use std::time::Duration;

use serde_json::{Value, json};

use crate::drive::Measurement;
use crate::instance::Instance;
use crate::login_flood::Flood;
use crate::scenario::Scenario;

const RESIDENT_TARGET_MIB: f64 = 40.0;
const READY_TARGET_MS: f64 = 300.0;

/// Everything measured on one database.
pub struct Section {
    pub database: String,
    pub start: Option<Start>,
    pub rows: Vec<(Scenario, Vec<Measurement>)>,
    pub flood: Option<Flood>,
}

/// How signet starts and what it takes before its first request.
pub struct Start {
    first_ready_ms: f64,
    ready_ms: f64,
    idle_resident_mib: f64,
}

impl Start {
    pub fn of(signet: &Instance) -> Self {
        let ms = |duration: &Duration| duration.as_secs_f64() * 1e3;
        Self {
            first_ready_ms: ms(&signet.first_ready_after),
            ready_ms: median(signet.ready_after.iter().map(ms)),
            idle_resident_mib: signet.idle_resident_mib,
        }
    }
}

impl Section {
    pub fn errors(&self) -> u32 {
        let of_flood = self.flood.as_ref().map_or(0, |flood| u32::try_from(flood.errors()).unwrap_or(u32::MAX));
        self.rows.iter().flat_map(|(_, runs)| runs).map(|run| run.errors).sum::<u32>() + of_flood
    }

    pub fn markdown(&self) -> String {
        let mut lines = vec![
            format!("### {}\n", self.database),
            "| scenario | requests/s | p50 ms | p99 ms | server CPU µs/request | RSS after, MiB | errors |".to_owned(),
            "|---|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        for (scenario, runs) in &self.rows {
            lines.push(format!(
                "| {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.1} | {} |",
                scenario.title(),
                median(runs.iter().map(|run| run.requests_per_second)),
                median(runs.iter().map(|run| run.p50_ms)),
                median(runs.iter().map(|run| run.p99_ms)),
                median(runs.iter().map(|run| run.cpu_us_per_request)),
                median(runs.iter().map(|run| run.resident_mib)),
                runs.iter().map(|run| run.errors).sum::<u32>(),
            ));
        }
        lines.push(String::new());
        for (scenario, ratio) in self.ratios() {
            let target = scenario.target().map_or(String::new(), |target| {
                format!(" (target: at least {:.0} %, {})", target * 100.0, verdict(ratio >= target))
            });
            lines.push(format!("- {}: {:.0} % of its reference's requests/s{target}", scenario.title(), ratio * 100.0));
        }
        if let Some(start) = &self.start {
            let Start { first_ready_ms, ready_ms, idle_resident_mib } = start;
            lines.push(format!(
                "- ready after {ready_ms:.0} ms (target: under {READY_TARGET_MS:.0} ms, {}); on an empty database after \
                 {first_ready_ms:.0} ms",
                verdict(*ready_ms < READY_TARGET_MS)
            ));
            lines.push(format!(
                "- RSS idle {idle_resident_mib:.1} MiB (target: under {RESIDENT_TARGET_MIB:.0} MiB, {})",
                verdict(*idle_resident_mib < RESIDENT_TARGET_MIB)
            ));
        }
        if let Some(flood) = &self.flood {
            lines.push(format!("\n{}", flood.markdown()));
        }
        lines.join("\n")
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(scenario, runs)| {
            let runs: Vec<_> = runs.iter().map(Measurement::json).collect();
            json!({ "scenario": scenario.title(), "runs": runs })
        });
        let ratios = self.ratios().into_iter().map(
            |(scenario, ratio)| json!({ "scenario": scenario.title(), "ratio": ratio, "target": scenario.target() }),
        );
        json!({
            "database": self.database,
            "start": self.start.as_ref().map(|start| json!({
                "ready_ms": start.ready_ms,
                "ready_on_empty_database_ms": start.first_ready_ms,
                "idle_resident_mib": start.idle_resident_mib,
            })),
            "scenarios": rows.collect::<Vec<_>>(),
            "login_flood": self.flood.as_ref().map(Flood::json),
            "ratios": ratios.collect::<Vec<_>>(),
        })
    }

    /// The requests per second of each scenario as a share of its reference's: the median of the ratios of runs that
    /// followed each other, since the machine's speed drifts between them.
    fn ratios(&self) -> Vec<(Scenario, f64)> {
        let ratio = |(scenario, runs): &(Scenario, Vec<Measurement>)| {
            let reference = scenario.reference()?;
            let (_, references) = self.rows.iter().find(|(other, _)| *other == reference)?;
            let pairs = runs.iter().zip(references).map(|(run, of)| run.requests_per_second / of.requests_per_second);
            Some((*scenario, median(pairs)))
        };
        self.rows.iter().filter_map(ratio).collect()
    }
}

impl Measurement {
    pub fn json(&self) -> Value {
        json!({
            "requests_per_second": self.requests_per_second,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "cpu_us_per_request": self.cpu_us_per_request,
            "database_us_per_request": self.database_us_per_request,
            "resident_mib": self.resident_mib,
            "errors": self.errors,
            "first_error": self.first_error,
        })
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

/// Zero of nothing; of an even number the mean of the middle two.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => 0.0,
        (middle, 0) => f64::midpoint(values[middle - 1], values[middle]),
        (middle, _) => values[middle],
    }
}
