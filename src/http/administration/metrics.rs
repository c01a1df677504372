//! `GET /metrics`, in the text format of Prometheus. It names clients, so it is for administrators alone; Prometheus gets its
//! token by `oauth2` in its configuration. `docs/operations/metrics.md` describes every metric.

mod collectors;
mod encoder;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use super::access;
use super::problem::Problem;
use crate::admin::operation::Access;
use crate::http::error::uncached;
use crate::oauth::Provider;
use crate::protocol::jwk::Algorithm;
use crate::store::settings::Settings;
use crate::store::webhook_deliveries;

/// How long the database is waited for, for what only it knows. The other metrics are answered without it.
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn metrics(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let admin = access::admin(&request, Access::Read).await?;
    let provider = admin.provider.ok_or(Problem::Unprepared)?;
    let (pending, settings, algorithms) = tokio::join!(
        tokio::time::timeout(PATIENCE, pending(&provider)),
        tokio::time::timeout(PATIENCE, provider.directory.settings()),
        tokio::time::timeout(PATIENCE, provider.keys.algorithms_in_use()),
    );
    let snapshot = Snapshot {
        pending: pending.ok().flatten(),
        settings: settings.ok().and_then(Result::ok),
        algorithms: algorithms.ok().and_then(Result::ok),
        provider,
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    // Writing to a string does not fail.
    prometheus_text::encode(&mut text, &registry).map_err(|_| Problem::Unprepared)?;
    let mut answer = HttpResponse::Ok();
    uncached(&mut answer).insert_header((CONTENT_TYPE, prometheus_text::CONTENT_TYPE));
    Ok(answer.body(text))
}

async fn pending(provider: &Provider) -> Option<i64> {
    webhook_deliveries::count_pending(&mut provider.store.reading().await.ok()?).await.ok()
}

/// What one answer is made from.
struct Snapshot {
    provider: Arc<Provider>,
    /// Deliveries to webhooks that are still to be made, if the database said.
    pending: Option<i64>,
    settings: Option<Settings>,
    /// What tokens are signed with, now or soon.
    algorithms: Option<Vec<Algorithm>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut encoder = encoder::Encoder(encoder);
        collectors::ALL.iter().try_for_each(|collect| collect(self, &mut encoder))
    }
}
