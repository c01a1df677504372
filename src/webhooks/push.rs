//! Pushing what is due, on every instance: each delivery is at one of them at a time, by its lease. A receiver that is slow or
//! gone does not hold up the others.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{Id, JoinSet};
use uuid::Uuid;

use super::attempt::{client, kept, send};
use super::{LEASE, Outbox, schedule};
use crate::secret::Secret;
use crate::spans;
use crate::store::webhook_deliveries::{self, WebhookDelivery};
use crate::store::webhooks::{self, Webhook};
use crate::store::{Connection, Error};

/// Attempts at the same time, in one process.
const AT_ONCE: usize = 8;

/// Of these, for one receiver.
const AT_ONCE_EACH: usize = 4;

/// How often it is looked what is due.
const TICK: Duration = Duration::from_secs(1);

/// What pushes.
#[derive(Clone)]
pub struct Pusher {
    outbox: Outbox,
    http: reqwest::Client,
}

/// Whose attempts are in flight, by their tasks.
type Flying = HashMap<Id, Uuid>;

/// How many more attempts may begin for a webhook.
fn room(flying: &Flying, claimed: &[(Webhook, WebhookDelivery)], webhook: Uuid) -> usize {
    let all = flying.len() + claimed.len();
    let own = flying.values().filter(|id| **id == webhook).count()
        + claimed.iter().filter(|(claimed, _)| claimed.id == webhook).count();
    AT_ONCE.saturating_sub(all).min(AT_ONCE_EACH.saturating_sub(own))
}

impl Pusher {
    /// # Errors
    /// When no TLS client can be made, for want of certificate authorities for instance.
    pub fn new(outbox: Outbox) -> Result<Self, reqwest::Error> {
        Ok(Self { outbox, http: client()? })
    }

    /// Pushes what is due, until it is dropped. What is in flight then comes again after its lease.
    pub async fn run(&self) {
        let (mut attempts, mut flying) = (JoinSet::new(), Flying::default());
        loop {
            match self.claim(&flying).await {
                Ok(claimed) => {
                    for (webhook, delivery) in claimed {
                        let (own, id) = (self.clone(), webhook.id);
                        // A task: it must go on while this loop waits for a connection, or it would keep one from it.
                        let task = attempts.spawn(async move { own.attempt(webhook, delivery).await });
                        flying.insert(task.id(), id);
                    }
                }
                // The database is followed elsewhere, where its absence is told.
                Err(error) => tracing::debug!(%error, "what is due for webhooks could not be looked up"),
            }
            tokio::select! {
                Some(ended) = attempts.join_next_with_id(), if !attempts.is_empty() => {
                    flying.remove(&ended.map_or_else(|panicked| panicked.id(), |(id, ())| id));
                }
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Pushes all that is due now, and answers how many attempts it made.
    pub async fn push_due(&self) -> Result<usize, Error> {
        let mut made = 0;
        loop {
            let claimed = self.claim(&Flying::default()).await?;
            if claimed.is_empty() {
                return Ok(made);
            }
            made += claimed.len();
            join_all(claimed.into_iter().map(|(webhook, delivery)| self.attempt(webhook, delivery))).await;
        }
    }

    /// Takes as much as may fly.
    async fn claim(&self, flying: &Flying) -> Result<Vec<(Webhook, WebhookDelivery)>, Error> {
        let Outbox { store, clock, .. } = &self.outbox;
        let mut claimed = Vec::new();
        if flying.len() >= AT_ONCE {
            return Ok(claimed);
        }
        let now = clock.now();
        // Read before anything is written: mostly nothing is due.
        let due = webhooks::with_due(&mut store.reading().await?, now).await?;
        for webhook in due {
            let room = room(flying, &claimed, webhook.id);
            if room > 0 {
                let limit = i64::try_from(room).unwrap_or(1);
                match self.take(&webhook, limit).await {
                    Ok(taken) => claimed.extend(taken.into_iter().map(|delivery| (webhook.clone(), delivery))),
                    Err(error) if claimed.is_empty() => return Err(error),
                    // What is claimed is to be sent.
                    Err(_) => break,
                }
            }
        }
        Ok(claimed)
    }

    async fn take(&self, webhook: &Webhook, limit: i64) -> Result<Vec<WebhookDelivery>, Error> {
        let now = self.outbox.clock.now();
        let taken = async |connection: &mut Connection| {
            webhook_deliveries::claim(connection, webhook.id, (now, now + LEASE), limit).await
        };
        self.outbox.store.transaction(taken).await
    }

    /// One attempt and its outcome. An outcome that cannot be written is as a crash: the lease runs out.
    async fn attempt(&self, webhook: Webhook, delivery: WebhookDelivery) {
        let authorization = webhook.sealed_authorization.as_deref();
        let opened = authorization.map(|sealed| self.outbox.keys.open_authorization(&webhook.name, sealed)).transpose();
        let outcome = match opened {
            Ok(authorization) => {
                let outcome = self.try_once(&webhook, &delivery, authorization.as_ref()).await;
                outcome.map_err(|error| kept(&error, authorization.as_ref()))
            }
            Err(error) => Err(format!("the authorization does not open: {error}")),
        };
        if let Err(error) = self.record(&webhook, &delivery, outcome).await {
            tracing::warn!(%error, webhook = webhook.name, delivery.id = %delivery.id,
                "what came of a delivery could not be recorded: it comes again, with the same jti");
        }
    }

    async fn try_once(
        &self,
        webhook: &Webhook,
        delivery: &WebhookDelivery,
        authorization: Option<&Secret>,
    ) -> Result<(), String> {
        let token = self.outbox.sign(webhook, delivery).map_err(|error| error.to_string())?;
        let endpoint = webhook.endpoint.as_deref().unwrap_or_default();
        let sent = async {
            let sent = send(&self.http, endpoint, authorization, token).await;
            sent.inspect_err(|_| spans::fail("undelivered"))
        };
        spans::client("webhook push", sent).await.map_err(|error| error.to_string())
    }

    async fn record(
        &self,
        webhook: &Webhook,
        delivery: &WebhookDelivery,
        outcome: Result<(), String>,
    ) -> Result<(), Error> {
        let Outbox { store, clock, entropy, .. } = &self.outbox;
        let (mut connection, now) = (store.writing().await?, clock.now());
        match outcome {
            Ok(()) => webhook_deliveries::delivered(&mut connection, webhook.id, &[delivery.id], now).await,
            Err(error) => {
                let next = schedule::next(delivery, now, entropy);
                tracing::warn!(error, webhook = webhook.name, delivery.id = %delivery.id, attempts = delivery.attempts,
                    ?next, "a security event was not delivered");
                webhook_deliveries::failed(&mut connection, delivery, &error, next).await
            }
        }
    }
}
