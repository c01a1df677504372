//! What the audit trail says of tokens, where `audit_tokens` is on: each that is issued, refreshed or given again. Issuing
//! writes nothing otherwise, so these events wait in memory and are written many at a time. What a process that is killed
//! has not written is lost; what an orderly one has not, is not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;

use super::audit::Deed;
use super::{Origin, Provider};
use crate::protocol::token::AccessTokenClaims;
use crate::store::audit_events::{self, AuditEvent, Author};
use crate::store::settings::Settings;
use crate::store::{Connection, Error};

pub(super) const TOKEN_ISSUE: &str = "token.issue";
pub(super) const TOKEN_REFRESH: &str = "token.refresh";
pub(super) const TOKEN_RETRY: &str = "token.retry";

/// How many are written at once, and at which number they are written without waiting.
pub const BATCH: usize = 500;

/// How many wait while the database is away: some five megabytes.
pub const MOST_WAITING: usize = 10_000;

/// How long an event waits at most, otherwise.
const PAUSE: Duration = Duration::from_secs(1);

/// On what occasion a token is issued.
#[derive(Clone, Copy)]
pub(super) struct Occasion<'a> {
    pub action: &'static str,
    pub settings: &'a Settings,
    pub origin: &'a Origin,
}

/// Events that wait to be written.
#[derive(Debug, Default)]
pub struct TokenEvents {
    waiting: Mutex<Waiting>,
    /// Told when a batch is full, and at the end.
    full: Notify,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<AuditEvent>,
    /// How many found no place since this was last recorded.
    dropped: u64,
}

impl TokenEvents {
    fn add(&self, event: AuditEvent) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.events.len() >= MOST_WAITING {
            waiting.dropped += 1;
            return;
        }
        waiting.events.push_back(event);
        if waiting.events.len() >= BATCH {
            self.full.notify_one();
        }
    }

    /// How many wait, and how many were dropped.
    pub fn state(&self) -> (usize, u64) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        (waiting.events.len(), waiting.dropped)
    }

    fn take(&self) -> Batch<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.events.len().min(BATCH);
        let events = waiting.events.drain(..count).collect();
        Batch { of: self, events, dropped: std::mem::take(&mut waiting.dropped) }
    }

    /// From now on nothing waits: whoever writes does it once more, and ends.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.full.notify_one();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until it is time to write.
    pub async fn due(&self) {
        // A timeout is the usual end of the wait.
        let _ = tokio::time::timeout(PAUSE, self.full.notified()).await;
    }
}

/// What is being written. Whatever of it is not, when this is dropped, waits again, before all others: after a failure, and
/// when the task that writes is ended.
struct Batch<'a> {
    of: &'a TokenEvents,
    events: Vec<AuditEvent>,
    dropped: u64,
}

impl Batch<'_> {
    fn written(mut self) -> usize {
        self.dropped = 0;
        std::mem::take(&mut self.events).len()
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.of.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.dropped += self.dropped;
        for event in self.events.drain(..).rev() {
            waiting.events.push_front(event);
        }
        let kept = waiting.events.len().min(MOST_WAITING);
        waiting.dropped += u64::try_from(waiting.events.len() - kept).unwrap_or(u64::MAX);
        waiting.events.truncate(kept);
    }
}

impl Provider {
    pub(super) fn note_token(&self, claims: &AccessTokenClaims, occasion: Occasion<'_>) {
        if !occasion.settings.audit_tokens {
            return;
        }
        let actor = format!("client:{}", claims.client_id);
        let target = claims.grant_id.map_or_else(|| actor.clone(), |grant| format!("grant:{grant}"));
        let details = json!({
            "jti": claims.jti,
            "sub": claims.sub,
            "aud": claims.aud,
            "scope": claims.scope,
            "exp": claims.exp,
        });
        let deed = Deed { actor, action: occasion.action, target };
        self.token_events.add(self.event(self.clock.now(), deed, details, occasion.origin));
    }

    /// Writes what waits, a batch a transaction, and answers how many events that were. How many were dropped is an event of
    /// its own.
    ///
    /// # Errors
    /// When the database does not take them: they wait on.
    pub async fn write_token_events(&self) -> Result<usize, Error> {
        let mut written = 0;
        loop {
            let batch = self.token_events.take();
            let (events, dropped) = (&batch.events, batch.dropped);
            if events.is_empty() && dropped == 0 {
                return Ok(written);
            }
            let report = (dropped > 0).then(|| {
                tracing::warn!(dropped, "token events were dropped: the database did not take them in time");
                let now = self.clock.now();
                let id = self.entropy.ordered_uuid(now);
                Author::signet().event((id, now), "audit.dropped", "audit", json!({ "events": dropped })).failed()
            });
            let stored = async |connection: &mut Connection| -> Result<(), Error> {
                audit_events::insert_all(connection, events).await?;
                match &report {
                    Some(report) => audit_events::insert(connection, report).await,
                    None => Ok(()),
                }
            };
            self.store.transaction(stored).await?;
            written += batch.written();
        }
    }
}
