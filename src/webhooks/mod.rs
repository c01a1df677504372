//! Telling others of security events: what is in the outbox (`store/webhook_deliveries.rs`) becomes a signed token, and is
//! pushed (RFC 8935, `push`) or handed to whoever polls (RFC 8936, `poll`).
//!
//! An event may arrive more than once, always with the same `jti`, and in no promised order.

mod attempt;
mod endpoint;
mod poll;
mod push;
mod schedule;

use std::sync::Arc;

use chrono::Duration;
use uuid::Uuid;

pub use endpoint::{EndpointError, check_endpoint};
pub use poll::MOST_EVENTS;
pub use push::Pusher;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::{Keys, SignError, Typ};
use crate::protocol::issuer::Issuer;
use crate::protocol::jwk::Algorithm;
use crate::protocol::security_event::{Kind, SecurityEvent};
use crate::store::Store;
use crate::store::webhook_deliveries::WebhookDelivery;
use crate::store::webhooks::Webhook;

/// How long one instance, or one poll, has a delivery for itself. An attempt to push takes [`attempt::PATIENCE`] at most.
const LEASE: Duration = Duration::seconds(60);

/// What events are told with.
#[derive(Clone)]
pub struct Outbox {
    pub issuer: Issuer,
    pub store: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keys: Arc<Keys>,
}

/// Why a stored delivery does not become a token.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    #[error("this version knows no event {0}")]
    Kind(String),
    #[error("the stored event cannot be read")]
    Payload,
    #[error("no ES256 key signs at present")]
    Key,
    #[error(transparent)]
    Signature(#[from] SignError),
}

impl Outbox {
    /// The token that tells a webhook of an event. `aud` is the webhook's endpoint, or its name where it polls.
    ///
    /// # Errors
    /// When the row is a newer version's, or nothing signs.
    pub fn sign(&self, webhook: &Webhook, delivery: &WebhookDelivery) -> Result<String, Unsigned> {
        let kind: Kind = delivery.kind.parse().map_err(|_| Unsigned::Kind(delivery.kind.clone()))?;
        let event: SecurityEvent = serde_json::from_value(delivery.payload.0.clone()).map_err(|_| Unsigned::Payload)?;
        let now = self.clock.now();
        let audience = webhook.endpoint.as_deref().unwrap_or(&webhook.name);
        let times = (now.timestamp(), delivery.at.timestamp());
        let claims = event.claims(kind, (self.issuer.as_str(), audience), jti(delivery.id), times);
        let ring = self.keys.ring();
        let key = ring.signing_key(Algorithm::ES256, now).ok_or(Unsigned::Key)?;
        Ok(key.sign_jwt(Typ::SecurityEvent, &claims)?)
    }
}

fn jti(id: Uuid) -> String {
    id.to_string()
}
