//! `GET /status-lists/{id}/changes`: what is revoked, as server-sent events (HTML Living Standard §9.2), for verifiers that
//! cannot wait until their copy of the list has grown old. The list remains the truth: an event only ever adds to it.
//!
//! `revoked` says which indexes are invalid, as ranges with both ends included: `{"revoked":[[17,17],[64,127]]}`. `reset`
//! asks to fetch the list. The `id` of an event is a revision of the issuer, the same on every instance; sent back as
//! `Last-Event-ID`, it is gone on from there.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::error::{Error, plain};
use super::limits::{self, InService};
use crate::oauth::{self, Provider};
use crate::status::{Beginning, Change, MOST_RANGES, SETTLED};

/// A line so often keeps proxies from giving the connection up, and tells a dead one.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Listeners of one process. Anyone may be one, and each holds a connection.
const MOST_LISTENERS: usize = 10_000;

/// How many there are, and may be.
#[derive(Clone, Debug)]
pub struct Listeners(Arc<AtomicUsize>, usize);

/// One of them, until it is dropped.
struct Listener(Arc<AtomicUsize>);

impl Listeners {
    /// No more than half of all connections: nobody can push listeners out of theirs, so others must have room beside.
    pub fn among(connections: usize) -> Self {
        Self(Arc::default(), MOST_LISTENERS.min(connections.div_ceil(2)))
    }

    fn add(&self) -> Option<Listener> {
        let listener = Listener(self.0.clone());
        (self.0.fetch_add(1, Ordering::AcqRel) < self.1).then_some(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

pub async fn changes(
    provider: web::Data<Provider>,
    listeners: web::Data<Listeners>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let known = request.headers().get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let found = match id.parse() {
        Ok(id) => provider.lists.listen(id, known).await.map_err(oauth::Error::from)?,
        Err(_) => None,
    };
    let Some((beginning, changes)) = found else {
        return Ok(plain(HttpResponse::NotFound(), "not_found", "No such status list."));
    };
    let Some(listener) = listeners.add() else {
        let mut answer = HttpResponse::ServiceUnavailable();
        answer.insert_header((RETRY_AFTER, "60"));
        return Ok(plain(answer, "temporarily_unavailable", "Too many listen already: fetch the list."));
    };
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        // nginx would hold the events back.
        .insert_header(("x-accel-buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    let provider = provider.into_inner();
    Ok(answer.streaming(events(beginning, changes, (provider, (listener, limits::serve(&request))))))
}

fn events(
    beginning: Beginning,
    changes: Receiver<Arc<Change>>,
    held: (Arc<Provider>, (Listener, Option<InService>)),
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    // The list that a client fetches may be older than the event that asks for it. Where the client cannot be told what it may
    // lack, it is asked once more; until then no event has an id, for one that came back with it would not be asked.
    let (first, again) = match beginning {
        Beginning::Missed(change) => (revoked(Some(change.revision), &change.revoked), None),
        Beginning::Fetch { revision, recent, is_all } => {
            let id = is_all.then_some(revision);
            let recent = if recent.is_empty() { String::new() } else { revoked(id, &recent) };
            (reset(id) + &recent, if is_all { None } else { Some(Instant::now() + SETTLED) })
        }
    };
    unfold((Some(first), again, changes, held), async |(first, again, mut changes, held)| {
        if let Some(first) = first {
            return Some((Ok(first.into()), (None, again, changes, held)));
        }
        let heartbeat = Instant::now() + HEARTBEAT;
        let (event, again) = match timeout_at(again.unwrap_or(heartbeat).min(heartbeat), changes.recv()).await {
            // Silence must not pass for "nothing was revoked" when the database cannot be asked.
            Err(_elapsed) if !held.0.directory.is_confirmed() => return None,
            Err(_elapsed) if again.is_some() => (reset(None), None),
            Err(_elapsed) => (":\n\n".to_owned(), None),
            Ok(Ok(change)) if is_told(&change) => {
                (revoked(again.is_none().then_some(change.revision), &change.revoked), again)
            }
            // Too much for an event, or more than the client kept up with.
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => (reset(None), Some(Instant::now() + SETTLED)),
            // The list was purged: its last token has expired.
            Ok(Err(RecvError::Closed)) => return None,
        };
        Some((Ok(event.into()), (None, again, changes, held)))
    })
}

/// A change of very many ranges is a reset: every listener holds the text of an event until its client has taken it.
fn is_told(change: &Change) -> bool {
    change.revoked.len() <= MOST_RANGES
}

fn revoked(id: Option<i64>, ranges: &[(i64, i64)]) -> String {
    event(id, "revoked", &json!({ "revoked": ranges }))
}

fn reset(id: Option<i64>) -> String {
    event(id, "reset", &json!({}))
}

fn event(id: Option<i64>, kind: &str, data: &serde_json::Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {kind}\ndata: {data}\n\n")
}
