//! The variables of OpenTelemetry, as far as they say whether traces are sent. The OpenTelemetry SDK reads the others itself
//! (headers, sampler, resource); they are not settings of ours, so that one notation serves all programs of a machine.

use std::ffi::OsString;
use std::time::Duration;

use super::fault::{Fault, Faults};

/// That traces are sent, by OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// How long the collector may take to answer.
    pub timeout: Duration,
    /// Whether the variables give this program a name.
    pub is_named: bool,
}

/// Of the specification of the OTLP exporter.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Otlp {
    /// `None` unless an endpoint is given: without one nothing is sent anywhere.
    ///
    /// # Errors
    /// When a variable asks for what is not done here.
    pub fn from_environment() -> Result<Option<Self>, Faults> {
        #[expect(clippy::disallowed_methods, reason = "`config` reads the environment")]
        Self::from_variables(std::env::vars_os())
    }

    fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Option<Self>, Faults> {
        let given: Vec<(String, String)> = variables
            .into_iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().trim().to_owned()))
            // An empty value is as none (Environment Variable Specification).
            .filter(|(name, value)| name.starts_with("OTEL_") && !value.is_empty())
            .collect();
        let value = |name: &str| given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let exporter = |rest: &str| {
            let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{rest}"), format!("OTEL_EXPORTER_OTLP_{rest}")];
            names.into_iter().find_map(|name| value(&name).map(|value| (name, value.to_owned())))
        };
        let is_disabled = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_none = value("OTEL_TRACES_EXPORTER") == Some("none");
        if is_disabled || is_none || exporter("ENDPOINT").is_none() {
            return Ok(None);
        }
        let mut faults = Vec::new();
        let mut refuse = |place: String, value: &str, expected: &str| {
            faults.push(Fault::Invalid {
                place,
                value: format!("`{}`", value.escape_debug()),
                reason: "is not supported".to_owned(),
                expected: expected.to_owned(),
            });
        };
        if let Some(exporter) = value("OTEL_TRACES_EXPORTER").filter(|exporter| *exporter != "otlp") {
            refuse("OTEL_TRACES_EXPORTER".to_owned(), exporter, "`otlp` or `none`");
        }
        if let Some((name, protocol)) = exporter("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf") {
            refuse(name, &protocol, "`http/protobuf`, to port 4318 of most collectors");
        }
        let mut timeout = TIMEOUT;
        if let Some((name, milliseconds)) = exporter("TIMEOUT") {
            match milliseconds.parse() {
                Ok(milliseconds) => timeout = Duration::from_millis(milliseconds),
                Err(_) => refuse(name, &milliseconds, "milliseconds, such as `10000`"),
            }
        }
        let attributes = value("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let names = |pair: &str| pair.split_once('=').is_some_and(|(key, _)| key.trim() == "service.name");
        let is_named = value("OTEL_SERVICE_NAME").is_some() || attributes.split(',').any(names);
        Faults::none_or(faults, Some(Some(Self { timeout, is_named })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Otlp>, String> {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Otlp::from_variables(variables).map_err(|faults| faults.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    const ON: Otlp = Otlp { timeout: TIMEOUT, is_named: false };

    #[test]
    fn only_an_endpoint_switches_traces_on() {
        for off in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "auth"), ("OTEL_TRACES_EXPORTER", "otlp")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
            // Whoever has switched it off may say nonsense besides.
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        ] {
            assert_eq!(read(off), Ok(None), "{off:?}");
        }
        for on in [
            &[ENDPOINT][..],
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "no")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
            &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "")],
            &[ENDPOINT, ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")],
        ] {
            assert_eq!(read(on), Ok(Some(ON)), "{on:?}");
        }
    }

    #[test]
    fn a_protocol_or_exporter_that_is_not_spoken_is_refused_by_name() {
        let general = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert_eq!(
            general,
            "OTEL_EXPORTER_OTLP_PROTOCOL: `grpc` is not supported; expected `http/protobuf`, to port 4318 of most \
             collectors"
        );
        let own = [ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"), ("OTEL_TRACES_EXPORTER", "zipkin")];
        let both = read(&own).unwrap_err();
        assert!(both.contains("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") && both.contains("`zipkin`"), "{both}");
        // The one for traces wins.
        let own = [
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ];
        assert_eq!(read(&own), Ok(Some(ON)));
    }

    #[test]
    fn a_timeout_and_a_name_are_taken() {
        let timeout = |value| read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TIMEOUT", value)]);
        assert_eq!(timeout("250"), Ok(Some(Otlp { timeout: Duration::from_millis(250), ..ON })));
        assert!(timeout("soon").unwrap_err().contains("`soon`"));
        for named in [("OTEL_SERVICE_NAME", "auth"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=auth")] {
            assert_eq!(read(&[ENDPOINT, named]), Ok(Some(Otlp { is_named: true, ..ON })));
        }
    }
}
