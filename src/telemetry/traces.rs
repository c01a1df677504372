//! Sending spans to a collector: OTLP as protobuf over HTTP, in batches, by a thread of the SDK's own that requests hand
//! their spans to without waiting. When its queue is full, spans are dropped, and no request notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tokio::runtime::Handle;

use crate::config::Otlp;
use crate::spans;

/// How long the last spans may take to be sent when the process ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// Of a collector's answer, more is not read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Why traces cannot be sent, whatever the collector does.
#[derive(Debug, Error)]
pub enum TracesError {
    #[error("the OTEL_EXPORTER_OTLP_… variables: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("no TLS client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Traces that are being sent.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to record and to send spans. Needs a runtime, which does the sending.
    ///
    /// # Errors
    /// When the variables make no sense. A collector that is not there is none.
    pub fn begin(otlp: &Otlp) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder()
            .timeout(otlp.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("signet/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let sender = Sender { client, runtime: Handle::current(), failing: AtomicBool::new(false) };
        let exporter = SpanExporter::builder().with_http().with_http_client(sender).build()?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if !otlp.is_named {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        spans::install(&provider);
        Ok(Self(provider))
    }

    /// Sends what is left, in three seconds at most.
    pub async fn end(self) {
        // It waits, so it must not be on a thread that the sending needs; nor may a thread that hangs be waited for.
        let sent = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FAREWELL));
        let in_time = tokio::time::timeout(FAREWELL, sent).await;
        if !matches!(in_time, Ok(Ok(Ok(())))) {
            tracing::debug!("the last spans could not be sent");
        }
    }
}

/// What the SDK's thread sends with. That thread belongs to no runtime, so each request is a task of ours.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    failing: AtomicBool,
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.runtime.spawn(send(self.client.clone(), request)).await;
        let answer = answer.map_err(HttpError::from).flatten();
        let fault = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status().as_u16())),
            Err(error) => Some(innermost(error.as_ref())),
        };
        // Once, not once a batch: a collector may be away for days.
        match (self.failing.swap(fault.is_some(), Ordering::Relaxed), fault) {
            (false, Some(error)) => tracing::warn!(error, "the collector takes no spans: they are lost until it does"),
            (true, None) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        answer
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut response = client.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

/// The outer texts repeat the address, which may hold credentials; the innermost says what happened.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
