//! Traces: what a collector gets of a request, that nothing secret is in it, and that a collector which is gone harms nobody.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::app::{API, Backend, block_on};
use crate::support::collector::{Collector, attribute, eventually};
use crate::support::program;
use crate::support::receiver::Receiver;
use crate::support::recorded::{Program, Serving};

const PASSWORD: &str = "velvet compass 31 thunder";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const UNSAMPLED: &str = "5cf92f3577b34da6a3ce929d0e0e4737";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An issuer with an API, a client `erp` and a user `alice`, which tells a collector of its requests.
struct Traced {
    collector: Collector,
    program: Program,
    secret: String,
    http: reqwest::Client,
}

impl Traced {
    async fn new(collector: Collector) -> Self {
        let program = Program::new(Backend::Sqlite)
            .unwrap()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
            .with("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=quartz")
            .with("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
            .with("OTEL_BSP_SCHEDULE_DELAY", "50");
        let run = |input: &str, arguments: &[&str]| {
            let ended = program.run(input, arguments);
            assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
            serde_json::from_str::<Value>(&ended.stdout).unwrap_or_default()
        };
        run("", &["resource-server", "create", API, "--scope", "read"]);
        let grants = ["--grant-type", "password", "--grant-type", "refresh_token"];
        let create = [&["client", "create", "erp", "--audience", API, "--json"], &grants[..]].concat();
        let secret = run("", &create)["client_secret"].as_str().unwrap().to_owned();
        run(PASSWORD, &["user", "create", "alice", "--password-stdin"]);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { collector, program, secret, http }
    }

    fn log_in(&self, serving: &Serving, password: &str) -> reqwest::RequestBuilder {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", password)];
        self.http
            .post(format!("{}/oauth2/token?lantern=in-the-query", serving.base))
            .basic_auth("erp", Some(&self.secret))
            .form(&form)
    }
}

#[test]
fn a_request_is_a_span_in_the_trace_of_whoever_sent_it_and_names_nothing_secret() {
    block_on(async {
        let traced = Traced::new(Collector::start(200).await).await;
        let (collector, serving) = (&traced.collector, traced.program.serve());
        let request = traced.log_in(&serving, PASSWORD);
        let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
        let request = request.header("tracestate", "vendor=value").header("x-request-id", "request-of-the-test");
        let tokens: Value = request.send().await.unwrap().json().await.unwrap();

        let is_of_trace = |span: &opentelemetry_proto::tonic::trace::v1::Span| hex(&span.trace_id) == TRACE;
        let server = collector.span("POST /oauth2/token", is_of_trace).await;
        assert_eq!((hex(&server.parent_span_id).as_str(), server.trace_state.as_str()), (PARENT, "vendor=value"));
        // SPAN_KIND_SERVER.
        assert_eq!(server.kind, 2);
        for (key, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/oauth2/token"),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
            ("server.address", "127.0.0.1"),
            ("server.port", "8443"),
            ("network.protocol.version", "1.1"),
            ("signet.listener", "issuer"),
            ("signet.request.id", "request-of-the-test"),
        ] {
            assert_eq!(attribute(&server.attributes, key).as_deref(), Some(value), "{key}");
        }
        let grant = collector.span("grant password", is_of_trace).await;
        assert_eq!(grant.parent_span_id, server.span_id);
        for name in ["password wait", "password hash", "database transaction"] {
            let child = collector.span(name, is_of_trace).await;
            assert_eq!(child.parent_span_id, grant.span_id, "{name}");
            assert!(child.start_time_unix_nano >= grant.start_time_unix_nano, "{name}");
            assert!(child.end_time_unix_nano <= grant.end_time_unix_nano, "{name}");
        }

        let (_, resource) = collector.spans().remove(0);
        for (key, value) in [
            ("service.name", "signet"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("deployment.environment.name", "test"),
        ] {
            assert_eq!(attribute(&resource, key).as_deref(), Some(value), "{key}");
        }
        for post in collector.posts() {
            assert!(post.head.starts_with("post /v1/traces ") && post.head.contains("x-collector-key: quartz"));
            assert!(post.head.contains("content-type: application/x-protobuf"), "{}", post.head);
            let text = String::from_utf8_lossy(&post.body).into_owned();
            let token = |name: &str| tokens[name].as_str().expect("a token").to_owned();
            for secret in [
                PASSWORD.to_owned(),
                PASSWORD.replace(' ', "+"),
                traced.secret.clone(),
                token("access_token"),
                token("refresh_token"),
                "alice".to_owned(),
                "erp".to_owned(),
                "lantern".to_owned(),
            ] {
                assert!(!text.contains(&secret), "{secret} is in a span");
            }
        }
    });
}

#[test]
fn a_malformed_parent_is_ignored_and_an_unsampled_one_is_respected() {
    block_on(async {
        let traced = Traced::new(Collector::start(200).await).await;
        let (collector, serving) = (&traced.collector, traced.program.serve());
        let health = |traceparent: String| {
            let request = traced.http.get(format!("{}/healthz", serving.base)).header("traceparent", traceparent);
            async move { assert!(request.send().await.unwrap().status().is_success()) }
        };
        health(format!("00-{UNSAMPLED}-{PARENT}-00")).await;
        health(format!("00-{TRACE}-{PARENT}-01-more")).await;
        let span = collector.span("GET /healthz", |_| true).await;
        assert_eq!(span.parent_span_id, Vec::<u8>::new());
        assert_ne!(hex(&span.trace_id), TRACE);

        // Spans are sent in the order in which they end.
        let strange = traced.http.get(format!("{}/lantern/{PASSWORD}", serving.base));
        assert_eq!(strange.send().await.unwrap().status().as_u16(), 404);
        let unrouted = collector.span("GET", |_| true).await;
        assert_eq!(attribute(&unrouted.attributes, "http.route"), None);
        assert!(collector.spans().iter().all(|(span, _)| hex(&span.trace_id) != UNSAMPLED));
        assert!(!collector.posts().iter().any(|post| String::from_utf8_lossy(&post.body).contains("lantern")));
    });
}

#[test]
fn a_log_line_names_its_request_and_its_trace() {
    block_on(async {
        let traced = Traced::new(Collector::start(200).await).await;
        let serving = traced.program.serve();
        let request = traced.log_in(&serving, "wrong").header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
        assert_eq!(request.header("x-request-id", "request-refused").send().await.unwrap().status().as_u16(), 400);
        let log = serving.log();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        for message in ["login refused", "request refused"] {
            let line = lines.iter().find(|line| line["message"] == message).expect(message);
            assert_eq!((&line["request.id"], &line["trace.id"]), (&"request-refused".into(), &TRACE.into()), "{line}");
        }
        // What belongs to no request names none.
        let ready = lines.iter().find(|line| line["message"] == "ready").expect("ready");
        assert_eq!((ready.get("request.id"), ready.get("trace.id")), (None, None));
    });
}

#[test]
fn a_pushed_event_names_its_span() {
    block_on(async {
        let traced = Traced::new(Collector::start(200).await).await;
        let receiver = Receiver::start().await;
        let create = ["webhook", "create", "siem", "--endpoint", &receiver.url()];
        assert_eq!(traced.program.run("", &create).status, 0);
        assert_eq!(traced.program.run("", &["webhook", "test", "siem"]).status, 0);
        let _serving = traced.program.serve();
        receiver.wait_for(1).await;
        let received = receiver.received().remove(0);
        let traceparent = received.header("traceparent").expect("a traceparent").to_owned();
        let span = traced.collector.span("webhook push", |_| true).await;
        assert_eq!(traceparent, format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id)));
        // SPAN_KIND_CLIENT.
        assert_eq!(span.kind, 3);
    });
}

#[test]
fn a_collector_that_refuses_costs_no_request_and_is_complained_of_once() {
    block_on(async {
        let traced = Traced::new(Collector::start(400).await).await;
        let (collector, serving) = (&traced.collector, traced.program.serve());
        for batch in 1..=4 {
            let answer = traced.http.get(format!("{}/healthz", serving.base)).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            eventually("a batch", || collector.posts().len() >= batch).await;
        }
        let lines = |message: &str| serving.log().matches(message).count();
        eventually("a warning", || lines("the collector takes no spans") > 0).await;
        assert_eq!(lines("the collector takes no spans"), 1);
        collector.will_answer(200);
        assert_eq!(traced.http.get(format!("{}/healthz", serving.base)).send().await.unwrap().status().as_u16(), 200);
        eventually("relief", || lines("the collector takes spans again") == 1).await;
        assert_eq!(lines("the collector takes no spans"), 1);
    });
}

/// Serves with a collector, is asked for its health some times, and stops; answers how long stopping took.
async fn stop_with(url: &str, requests: usize) -> Duration {
    let program = program::Program::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        // So that it is the end that sends what there is.
        .with("OTEL_BSP_SCHEDULE_DELAY", "600000");
    let serving = tokio::task::spawn_blocking(move || program.serve()).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..requests {
        assert_eq!(http.get(format!("{}/healthz", serving.base)).send().await.unwrap().status().as_u16(), 200);
    }
    serving.terminate();
    let began = Instant::now();
    assert!(tokio::task::spawn_blocking(move || serving.ended()).await.unwrap().success());
    began.elapsed()
}

#[test]
fn the_last_spans_are_sent_when_the_server_stops() {
    block_on(async {
        let collector = Collector::start(200).await;
        stop_with(&collector.url(), 3).await;
        assert_eq!(collector.spans().iter().filter(|(span, _)| span.name == "GET /healthz").count(), 3);
    });
}

#[test]
fn a_collector_that_is_gone_or_silent_does_not_keep_the_server_from_stopping() {
    block_on(async {
        // More than a batch and more than the queue holds: nothing waits for the collector.
        let silent = Collector::start(0).await;
        // Ten seconds would be the collector's, three are given; the rest is for a busy machine.
        assert!(stop_with(&silent.url(), 2500).await < Duration::from_secs(9));
        assert!(!silent.posts().is_empty());
        let nowhere = Receiver::nowhere().await;
        assert!(stop_with(&format!("http://{nowhere}"), 20).await < Duration::from_secs(9));
    });
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_at_the_start() {
    let program = program::Program::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let said = program.refused(2, &["serve"]);
    assert!(said.contains("OTEL_EXPORTER_OTLP_PROTOCOL: `grpc` is not supported; expected `http/protobuf`"), "{said}");
    let program =
        program.with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").with("OTEL_EXPORTER_OTLP_ENDPOINT", "::");
    let said = program.refused(1, &["serve"]);
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{said}");
}
