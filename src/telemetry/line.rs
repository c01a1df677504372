//! A log line as the library writes it, with the request and the trace that it belongs to (`request.id`, `trace.id`).

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::spans;

/// Writes a line as `inner` does, and names behind it what it belongs to.
pub struct Line<F> {
    inner: F,
    is_json: bool,
}

impl<F> Line<F> {
    pub fn text(inner: F) -> Self {
        Self { inner, is_json: false }
    }

    pub fn json(inner: F) -> Self {
        Self { inner, is_json: true }
    }
}

impl<S, N, F> FormatEvent<S, N> for Line<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (request, trace) = (spans::request_id(), spans::trace_id().map(|id| id.to_string()));
        if request.is_none() && trace.is_none() {
            return self.inner.format_event(context, to, event);
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        let (line, end) = if self.is_json { (line.strip_suffix('}').unwrap_or(line), "}") } else { (line, "") };
        to.write_str(line)?;
        for (name, value) in [("request.id", request), ("trace.id", trace)] {
            // Both are of letters, digits and marks that neither form has to escape.
            match value {
                Some(value) if self.is_json => write!(to, r#","{name}":"{value}""#)?,
                Some(value) => write!(to, " {name}={value}")?,
                None => {}
            }
        }
        writeln!(to, "{end}")
    }
}
