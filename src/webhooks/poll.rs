//! Handing tokens to a receiver that polls (RFC 8936): what it has taken is done with, and what it was handed and does not
//! acknowledge comes again when the lease has run out.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::attempt::kept;
use super::{LEASE, Outbox, jti};
use crate::protocol::set_poll::{PollRequest, PollResponse};
use crate::store::webhooks::Webhook;
use crate::store::{Connection, Error, webhook_deliveries};

/// Tokens in one answer, whatever is asked for.
pub const MOST_EVENTS: u32 = 100;

/// How long an answer waits for something to say.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

const TICK: Duration = Duration::from_millis(500);

impl Outbox {
    /// Takes the acknowledgements, then answers what is due.
    pub async fn poll(&self, webhook: &Webhook, request: &PollRequest) -> Result<PollResponse, Error> {
        self.acknowledge(webhook, request).await?;
        let limit = i64::from(request.max_events.unwrap_or(MOST_EVENTS).min(MOST_EVENTS));
        let began = Instant::now();
        loop {
            let response = self.take(webhook, limit).await?;
            let waits = !request.return_immediately && limit > 0 && began.elapsed() < LONGEST_WAIT;
            if !response.sets.is_empty() || !waits {
                return Ok(response);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    async fn acknowledge(&self, webhook: &Webhook, request: &PollRequest) -> Result<(), Error> {
        if request.ack.is_empty() && request.set_errs.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        // What is no `jti` of ours was never sent.
        let taken: Vec<Uuid> = request.ack.iter().filter_map(|jti| jti.parse().ok()).collect();
        let recorded = async |connection: &mut Connection| -> Result<(), Error> {
            webhook_deliveries::delivered(connection, webhook.id, &taken, now).await?;
            for (jti, error) in &request.set_errs {
                let Ok(id) = jti.parse() else { continue };
                let text = kept(&format!("the receiver refused it: {}: {}", error.err, error.description), None);
                webhook_deliveries::refused(connection, (webhook.id, id), &text, now).await?;
            }
            Ok(())
        };
        self.store.transaction(recorded).await
    }

    async fn take(&self, webhook: &Webhook, limit: i64) -> Result<PollResponse, Error> {
        let now = self.clock.now();
        let mut response = PollResponse::default();
        if !webhook_deliveries::is_due(&mut self.store.reading().await?, webhook.id, now).await? {
            return Ok(response);
        }
        if limit > 0 {
            let lease = (now, now + LEASE);
            let claimed = async |connection: &mut Connection| {
                webhook_deliveries::claim(connection, webhook.id, lease, limit).await
            };
            for delivery in self.store.transaction(claimed).await? {
                match self.sign(webhook, &delivery) {
                    Ok(token) => drop(response.sets.insert(jti(delivery.id), token)),
                    Err(error) => tracing::warn!(%error, webhook = webhook.name, delivery.id = %delivery.id,
                        "a security event could not be signed: it is tried again at a later poll"),
                }
            }
        }
        response.more_available = webhook_deliveries::is_due(&mut self.store.reading().await?, webhook.id, now).await?;
        Ok(response)
    }
}
