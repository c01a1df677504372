//! The trace context that a request brings (W3C Trace Context §3): held to its syntax, and ignored where it does not keep to it.

use opentelemetry::propagation::Extractor;

/// As the propagator asks for it.
pub struct Incoming {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

/// Longer ones are left out, as §3.3.1.5 allows.
const LONGEST_STATE: usize = 512;

impl Incoming {
    /// Of the values of all headers of each name. More than one `traceparent` is as none (§3.2), `tracestate` may be split
    /// (§3.3.1).
    pub fn new<'a>(
        mut traceparents: impl Iterator<Item = &'a [u8]>,
        tracestates: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        let only = traceparents.next().filter(|_| traceparents.next().is_none());
        let traceparent = only.filter(|value| is_traceparent(value)).and_then(text);
        let tracestate = || {
            let parts: Option<Vec<_>> = tracestates.map(text).collect();
            Some(parts?.join(",")).filter(|state| !state.is_empty() && state.len() <= LONGEST_STATE)
        };
        let tracestate = if traceparent.is_some() { tracestate() } else { None };
        Self { traceparent, tracestate }
    }
}

fn text(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().map(str::to_owned)
}

/// `00-TRACE-PARENT-FLAGS` in lower-case hexadecimal digits (§3.2.2); a later version may go on after another dash
/// (§4.3). The library that reads it then takes care of the ids of nothing but zeros, but would let shorter fields pass.
fn is_traceparent(value: &[u8]) -> bool {
    const LENGTH: usize = 55;
    let is_field = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let Some((head, rest)) = value.split_at_checked(LENGTH) else { return false };
    let shaped = head.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => is_field(byte),
    });
    match &head[..2] {
        b"ff" => false,
        b"00" => shaped && rest.is_empty(),
        _ => shaped && (rest.is_empty() || rest[0] == b'-'),
    }
}

impl Extractor for Incoming {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent.as_deref(),
            "tracestate" => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::propagation::TextMapPropagator as _;
    use opentelemetry::trace::TraceContextExt as _;
    use opentelemetry_sdk::propagation::TraceContextPropagator;

    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent(traceparents: &[&str], tracestates: &[&str]) -> Option<(String, String)> {
        let bytes = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>();
        let (traceparents, tracestates) = (bytes(traceparents), bytes(tracestates));
        let incoming = Incoming::new(traceparents.iter().map(Vec::as_slice), tracestates.iter().map(Vec::as_slice));
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &incoming);
        let span = context.span().span_context().clone();
        span.is_valid().then(|| (span.trace_id().to_string(), span.trace_state().header()))
    }

    #[test]
    fn a_sound_one_is_taken_with_its_state() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        assert_eq!(parent(&[SOUND], &[]), Some((id.clone(), String::new())));
        assert_eq!(parent(&[SOUND], &["a=1", "b=2"]), Some((id.clone(), "a=1,b=2".to_owned())));
        assert_eq!(parent(&[SOUND], &["no state"]), Some((id.clone(), String::new())));
        assert_eq!(parent(&[SOUND], &[&format!("a={}", "x".repeat(600))]), Some((id.clone(), String::new())));
        let later = SOUND.replacen("00", "01", 1);
        assert_eq!(parent(&[&later], &[]), Some((id.clone(), String::new())));
        assert_eq!(parent(&[&format!("{later}-more")], &[]), Some((id, String::new())));
    }

    #[test]
    fn a_malformed_one_is_as_none() {
        let upper = SOUND.to_uppercase();
        let zero_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let zero_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        for malformed in [
            "",
            "x",
            &upper,
            zero_trace,
            zero_parent,
            &SOUND[1..],
            &SOUND[..54],
            &format!("{SOUND}-more"),
            &format!("{SOUND}0"),
            &SOUND.replacen("00", "ff", 1),
            &SOUND.replace('-', "_"),
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7a-1",
        ] {
            assert_eq!(parent(&[malformed], &["a=1"]), None, "{malformed}");
        }
        assert_eq!(parent(&[SOUND, SOUND], &[]), None);
        assert_eq!(parent(&[], &["a=1"]), None);
    }
}
