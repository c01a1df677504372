//! Logging: what the program reports goes to standard error, as text or as one JSON object a line. `traces.rs` sends spans to
//! a collector.
//!
//! Which events there are, and what must never be in them, is the business of those who write them.

mod line;
pub mod traces;

use std::io::IsTerminal as _;

use thiserror::Error;
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::config::LogFormat;
use line::Line;

/// Why logging could not begin.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the log filter is not valid: {0}")]
    Filter(#[from] ParseError),
    #[error("logging has begun already")]
    Begun(#[from] tracing_subscriber::util::TryInitError),
}

/// Begins logging for the whole process; a second call is an error.
///
/// `filter` is what `SIGNET_LOG` takes; `RUST_LOG` has no say, so that the configuration is the whole truth.
pub fn init(filter: &str, format: LogFormat) -> Result<(), Error> {
    subscriber(filter, format, std::io::stderr().is_terminal(), std::io::stderr)?.try_init()?;
    Ok(())
}

/// The same to a file: for a process that has no standard error.
#[cfg(windows)]
pub fn init_to(filter: &str, format: LogFormat, file: std::sync::Arc<std::fs::File>) -> Result<(), Error> {
    subscriber(filter, format, false, file)?.try_init()?;
    Ok(())
}

fn subscriber<W>(filter: &str, format: LogFormat, colour: bool, to: W) -> Result<Dispatch, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter)?;
    let events = fmt::layer().with_writer(to);
    let events = match format {
        LogFormat::Text => events.with_ansi(colour).map_event_format(|own| Line::text(own.with_ansi(colour))).boxed(),
        LogFormat::Json => events.json().flatten_event(true).map_event_format(Line::json).boxed(),
    };
    Ok(Dispatch::new(Registry::default().with(filter).with(events.with_filter(filter_fn(may_be_written)))))
}

/// Below `info`, libraries write what passes through them (the PostgreSQL client: every value of a statement), whatever
/// it is. So the finer levels are our own events alone, which are written with secrets in mind.
fn may_be_written(event: &Metadata<'_>) -> bool {
    *event.level() <= Level::INFO
        || event.target() == CRATE
        || event.target().starts_with(concat!(env!("CARGO_PKG_NAME"), "::"))
}

const CRATE: &str = env!("CARGO_PKG_NAME");

#[cfg(test)]
mod tests {
    use std::fs::{File, read_to_string};

    use super::*;

    fn logged(filter: &str, format: LogFormat) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = File::create(file.path()).unwrap();
        tracing::dispatcher::with_default(&subscriber(filter, format, false, writer).unwrap(), || {
            tracing::info!(key.id = "k1", "rotated");
            tracing::debug!("looked again");
        });
        read_to_string(file.path()).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_at_its_top() {
        let text = logged("debug", LogFormat::Json);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["message"], &lines[0]["key.id"]), (&"rotated".into(), &"k1".into()));
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let text = logged("info", LogFormat::Text);
        assert!(text.contains("rotated key.id=\"k1\"") && !text.contains("looked again"), "{text}");
    }

    #[test]
    fn what_libraries_write_below_info_is_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = File::create(file.path()).unwrap();
        tracing::dispatcher::with_default(&subscriber("trace", LogFormat::Text, false, writer).unwrap(), || {
            tracing::debug!(target: "tokio_postgres::query", "a parameter");
            tracing::debug!(target: "signet_verifier", "a neighbour");
            tracing::info!(target: "tokio_postgres::query", "a notice");
            tracing::trace!(target: "signet::http", "ours");
        });
        let text = read_to_string(file.path()).unwrap();
        assert!(text.contains("a notice") && text.contains("ours"), "{text}");
        assert!(!text.contains("a parameter") && !text.contains("a neighbour"), "{text}");
    }

    #[test]
    fn a_filter_that_says_nothing_sensible_is_an_error() {
        assert!(matches!(init("signet=loud", LogFormat::Text), Err(Error::Filter(_))));
    }
}
