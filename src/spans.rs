//! Spans of OpenTelemetry: where a request spends its time, for whoever collects that (`telemetry/traces.rs`). Nothing is
//! recorded unless [`install`] was called, and then only what is written here and where this is called: no library's spans,
//! no log line, nothing that a client sent.
//!
//! It also holds, for the log, which request and which trace a line belongs to.

mod traceparent;

use std::borrow::Cow;
use std::sync::OnceLock;

use futures_util::future::Either;
use opentelemetry::propagation::{Injector, TextMapPropagator as _};
use opentelemetry::trace::{
    FutureExt as _, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use traceparent::Incoming;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

tokio::task_local! {
    /// The request that is being answered.
    static REQUEST_ID: String;
}

/// Records spans from now on, for the whole process; only the first call has an effect.
pub fn install(provider: &SdkTracerProvider) {
    let _ = TRACER.set(provider.tracer(env!("CARGO_PKG_NAME")));
}

/// The span of a request that is being answered, if any is recorded.
pub struct ServerSpan(Option<Context>);

impl ServerSpan {
    /// Goes on with the caller's trace, where it sent one, or begins one. The route is not known yet.
    pub fn begin(method: &'static str, incoming: impl FnOnce() -> Incoming) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &incoming());
        let span = tracer.span_builder(method).with_kind(SpanKind::Server).start_with_context(tracer, &parent);
        Self(Some(Context::new().with_span(span)))
    }

    /// Runs what answers the request `id`: what it does is below this span, and its log lines name both.
    pub async fn around<F: Future>(&self, id: &str, future: F) -> F::Output {
        let future = REQUEST_ID.scope(id.to_owned(), future);
        match &self.0 {
            None => future.await,
            Some(context) => future.with_context(context.clone()).await,
        }
    }

    /// Ends it. The name and the attributes are made only for a span that is recorded.
    pub fn end(self, status: u16, describe: impl FnOnce() -> (String, Vec<KeyValue>)) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        if span.is_recording() {
            let (name, attributes) = describe();
            span.update_name(name);
            span.set_attributes(attributes);
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            if status >= 500 {
                span.set_attribute(KeyValue::new("error.type", status.to_string()));
                span.set_status(Status::error(""));
            }
        }
        span.end();
    }
}

/// Runs `future` in a span of its own below the one that is open, from now on; without an open one that is recorded, just
/// runs it.
///
/// Not an `async fn`, whose future has room for its argument twice: of those in here the largest takes kilobytes, and
/// hundreds of logins may be waiting.
pub fn within<F: Future>(name: &'static str, future: F) -> impl Future<Output = F::Output> {
    let Some(tracer) = TRACER.get() else { return Either::Left(future) };
    let parent = Context::current();
    if !parent.span().span_context().is_sampled() {
        return Either::Left(future);
    }
    let span = tracer.build_with_context(tracer.span_builder(name), &parent);
    let context = parent.with_span(span);
    // Ended when the last context with it goes, so a future that is dropped half-way ends it as well.
    Either::Right(future.with_context(context))
}

/// Runs what asks another server, in a span of its own, which the future can name to that server by [`inject`].
pub fn client<F: Future>(name: &'static str, future: F) -> impl Future<Output = F::Output> {
    let Some(tracer) = TRACER.get() else { return Either::Left(future) };
    let parent = Context::current();
    let builder = tracer.span_builder(name).with_kind(SpanKind::Client);
    let context = parent.with_span(tracer.build_with_context(builder, &parent));
    Either::Right(future.with_context(context))
}

/// Marks the open span as failed.
pub fn fail(kind: impl Into<Cow<'static, str>>) {
    if TRACER.get().is_none() {
        return;
    }
    let context = Context::current();
    context.span().set_attribute(KeyValue::new("error.type", kind.into()));
    context.span().set_status(Status::error(""));
}

/// The headers (`traceparent`, `tracestate`) that name the open span to another server.
pub fn inject(set: impl FnMut(&str, String)) {
    struct Headers<F>(F);
    impl<F: FnMut(&str, String)> Injector for Headers<F> {
        fn set(&mut self, key: &str, value: String) {
            if !value.is_empty() {
                (self.0)(key, value);
            }
        }
    }
    if TRACER.get().is_some() {
        TraceContextPropagator::new().inject_context(&Context::current(), &mut Headers(set));
    }
}

/// The trace that is open, for the log.
pub fn trace_id() -> Option<TraceId> {
    TRACER.get()?;
    let id = Context::map_current(|context| context.span().span_context().trace_id());
    (id != TraceId::INVALID).then_some(id)
}

/// The request that is being answered, for the log.
pub fn request_id() -> Option<String> {
    REQUEST_ID.try_with(String::clone).ok()
}
