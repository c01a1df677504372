//! What is on its way to webhooks, what became of it, and another attempt; and the poll of a receiver that fetches its events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::webhooks::{find, target};
use super::{Admin, Done, Error};
use crate::protocol::issuer::Issuer;
use crate::protocol::security_event::{Delivery, Kind, SecurityEvent};
use crate::protocol::set_poll::{PollRequest, PollResponse};
use crate::store::webhook_deliveries::{self, Standing, WebhookDelivery};
use crate::store::{Connection, webhooks as stored};
use crate::webhooks::Outbox;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// On its way; `last_error` says what kept it.
    Pending,
    /// Given up, or refused by a receiver that polls.
    Failed,
    Delivered,
}

impl From<DeliveryState> for Standing {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Failed => Self::Failed,
            DeliveryState::Delivered => Self::Delivered,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Of each token that delivers it.
    pub jti: Uuid,
    pub webhook: String,
    pub kind: String,
    pub state: DeliveryState,
    /// When it happened.
    pub at: DateTime<Utc>,
    pub attempts: i64,
    /// Of what is pending.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub given_up_at: Option<DateTime<Utc>>,
}

impl DeliveryView {
    fn new(webhook: &str, delivery: WebhookDelivery) -> Self {
        let state = match (delivery.delivered_at, delivery.given_up_at) {
            (Some(_), _) => DeliveryState::Delivered,
            (None, Some(_)) => DeliveryState::Failed,
            (None, None) => DeliveryState::Pending,
        };
        Self {
            jti: delivery.id,
            webhook: webhook.to_owned(),
            kind: delivery.kind,
            state,
            at: delivery.at,
            attempts: delivery.attempts,
            next_attempt_at: (state == DeliveryState::Pending).then_some(delivery.next_attempt_at),
            last_error: delivery.last_error,
            delivered_at: delivery.delivered_at,
            given_up_at: delivery.given_up_at,
        }
    }
}

impl Admin {
    /// Deliveries of a webhook in the order of their events, those behind `after`: of one state, or all.
    pub async fn webhook_deliveries(
        &self,
        name: &str,
        state: Option<DeliveryState>,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<DeliveryView>, Error> {
        let mut connection = self.store.reading().await?;
        let webhook = find(&mut connection, name).await?;
        let of = (webhook.id, state.map(Standing::from));
        let rows = webhook_deliveries::list(&mut connection, of, after, limit).await?;
        Ok(rows.into_iter().map(|row| DeliveryView::new(name, row)).collect())
    }

    /// Delivers an event once more, with the same `jti`, whatever became of it: a receiver that has it drops it.
    pub async fn redeliver(&self, jti: Uuid) -> Result<Done<DeliveryView>, Error> {
        let unknown = || Error::NotFound { kind: "delivery", name: jti.to_string() };
        let begun = async |connection: &mut Connection| {
            let delivery = webhook_deliveries::find(connection, jti).await?.ok_or_else(unknown)?;
            webhook_deliveries::begin_anew(connection, jti, self.clock.now()).await?;
            let webhook = stored::find_by_id(connection, delivery.webhook_id).await?.ok_or_else(unknown)?;
            self.audit(connection, "webhook.redeliver", &target(&webhook.name), json!({ "jti": jti })).await?;
            let delivery = webhook_deliveries::find(connection, jti).await?.ok_or_else(unknown)?;
            let waits = webhook.disabled_at.map(|_| format!("{} is disabled: the event waits", webhook.name));
            let view = DeliveryView::new(&webhook.name, delivery);
            Ok(Done { notes: waits.into_iter().collect(), ..Done::plain(view) })
        };
        self.store.transaction(begun).await
    }

    /// Sends a verification event, whatever kinds the webhook wants.
    pub async fn test_webhook(&self, name: &str) -> Result<Done<DeliveryView>, Error> {
        let sent = async |connection: &mut Connection| {
            let webhook = find(connection, name).await?;
            if webhook.disabled_at.is_some() {
                return Err(Error::Refused(format!("the webhook {name} is disabled: enable it first")));
            }
            let (now, event) = (self.clock.now(), SecurityEvent::verification(name));
            let id = self.entropy.ordered_uuid(now);
            let delivery = WebhookDelivery::new(id, webhook.id, (Kind::Verification, &event), now);
            webhook_deliveries::insert(connection, &delivery).await?;
            self.audit(connection, "webhook.test", &target(name), json!({ "jti": id })).await?;
            Ok(Done::plain(DeliveryView::new(name, delivery)))
        };
        self.store.transaction(sent).await
    }

    /// Answers a receiver that polls (RFC 8936), in the name of `issuer`. Who may ask this is the caller's business.
    ///
    /// # Errors
    /// When the webhook is pushed to, or is disabled.
    pub async fn poll_events(&self, issuer: &Issuer, name: &str, request: &PollRequest) -> Result<PollResponse, Error> {
        let webhook = find(&mut self.store.reading().await?, name).await?;
        if webhook.delivery.0 != Delivery::Poll {
            return Err(Error::Refused(format!(
                "the events of the webhook {name} are pushed: they are not polled for"
            )));
        }
        if webhook.disabled_at.is_some() {
            return Err(Error::Refused(format!("the webhook {name} is disabled")));
        }
        let outbox = Outbox {
            issuer: issuer.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            keys: self.keys.clone(),
        };
        Ok(outbox.poll(&webhook, request).await?)
    }
}
