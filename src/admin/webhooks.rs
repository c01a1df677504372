//! Webhooks: who is told of security events, of which, and how. What is on its way to them is in `webhook_deliveries`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::audit::differences;
use super::{Admin, Choice, Done, Error};
use crate::protocol::security_event::{Delivery, Kind};
use crate::secret::Secret;
use crate::store::webhooks::{self, Webhook};
use crate::store::{self, Connection, Json, Spelled};
use crate::webhooks::check_endpoint;

const KIND: &str = "webhook";

/// A webhook to be made.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    pub name: String,
    pub delivery: Delivery,
    /// Where to push to; none where the receiver polls.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The kinds that are wanted; none: all.
    #[serde(default)]
    pub events: Vec<Kind>,
    /// The value of the `Authorization` header that a push sends.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::secret::exposed::option")]
    #[schema(value_type = Option<String>, format = Password)]
    pub authorization: Option<Secret>,
}

/// What is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Empty: all kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Kind>>,
    /// `null` takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "chosen_in_clear")]
    #[schema(value_type = Option<String>, format = Password)]
    pub authorization: Option<Choice<Secret>>,
}

#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct WebhookView {
    pub name: String,
    pub delivery: Delivery,
    pub endpoint: Option<String>,
    /// The kinds that are told; none: all.
    pub events: Vec<String>,
    /// Whether a push sends an `Authorization` header. Its value is shown to nobody.
    pub has_authorization: bool,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            name: webhook.name,
            delivery: webhook.delivery.0,
            endpoint: webhook.endpoint,
            events: webhook.events.0,
            has_authorization: webhook.sealed_authorization.is_some(),
            created_at: webhook.created_at,
            disabled_at: webhook.disabled_at,
        }
    }
}

impl Admin {
    pub async fn create_webhook(&self, new: NewWebhook) -> Result<Done<WebhookView>, Error> {
        let NewWebhook { name, delivery, endpoint, events, authorization } = new;
        check_name(&name)?;
        check_target(delivery, endpoint.as_deref(), authorization.as_ref())?;
        let now = self.clock.now();
        let webhook = Webhook {
            id: self.entropy.ordered_uuid(now),
            sealed_authorization: authorization
                .map(|authorization| self.keys.seal_authorization(&name, &authorization)),
            name,
            delivery: Spelled(delivery),
            endpoint,
            events: Json(names(&events)),
            created_at: now,
            disabled_at: None,
        };
        let created = async |connection: &mut Connection| {
            webhooks::insert(connection, &webhook).await.map_err(|error| match error {
                store::Error::Exists => Error::Exists { kind: KIND, name: webhook.name.clone() },
                other => other.into(),
            })?;
            let view = WebhookView::from(webhook.clone());
            self.audit(connection, "webhook.create", &target(&view.name), json!(view)).await?;
            let done = Done::plain(view);
            self.remember(connection, &done).await?;
            Ok(done)
        };
        self.store.transaction(created).await
    }

    /// Webhooks in the order of their names, those behind `after`.
    pub async fn webhooks(&self, after: &str, limit: i64) -> Result<Vec<WebhookView>, Error> {
        if after.contains('\0') {
            // No row has such a name, and PostgreSQL would fail on it.
            return Ok(Vec::new());
        }
        let rows = webhooks::list(&mut self.store.reading().await?, after, limit).await?;
        Ok(rows.into_iter().map(WebhookView::from).collect())
    }

    pub async fn webhook(&self, name: &str) -> Result<WebhookView, Error> {
        Ok(find(&mut self.store.reading().await?, name).await?.into())
    }

    /// Takes effect with the next event, and the next attempt.
    pub async fn update_webhook(&self, name: &str, change: WebhookChange) -> Result<Done<WebhookView>, Error> {
        let updated = async |connection: &mut Connection| {
            let before = find(connection, name).await?;
            self.check_version(&WebhookView::from(before.clone()))?;
            let mut webhook = before.clone();
            if let Some(endpoint) = change.endpoint {
                webhook.endpoint = Some(endpoint);
            }
            if let Some(events) = change.events {
                webhook.events = Json(names(&events));
            }
            let authorization = change.authorization.map(Choice::into_option);
            check_target(
                webhook.delivery.0,
                webhook.endpoint.as_deref(),
                authorization.as_ref().and_then(Option::as_ref),
            )?;
            webhooks::update(connection, &webhook).await?;
            let renewed = authorization.is_some();
            if let Some(authorization) = authorization {
                let sealed = authorization.map(|authorization| self.keys.seal_authorization(name, &authorization));
                webhook.sealed_authorization.clone_from(&sealed);
                webhooks::set_authorization(connection, webhook.id, sealed).await?;
            }
            let view = WebhookView::from(webhook);
            let mut changed = differences(&WebhookView::from(before), &view);
            if renewed {
                changed.get_or_insert_with(|| json!({}))["authorization"] = json!("changed");
            }
            if let Some(changed) = changed {
                self.audit(connection, "webhook.update", &target(name), changed).await?;
            }
            Ok(Done::plain(view))
        };
        self.store.transaction(updated).await
    }

    /// Tells it nothing from now on. What is on its way waits until it is enabled, or is given up after three days.
    pub async fn disable_webhook(&self, name: &str) -> Result<Done<WebhookView>, Error> {
        self.set_webhook_disabled(name, true).await
    }

    /// Tells it again of what happens from now on.
    pub async fn enable_webhook(&self, name: &str) -> Result<Done<WebhookView>, Error> {
        self.set_webhook_disabled(name, false).await
    }

    async fn set_webhook_disabled(&self, name: &str, disabled: bool) -> Result<Done<WebhookView>, Error> {
        let set = async |connection: &mut Connection| {
            let mut webhook = find(connection, name).await?;
            if webhook.disabled_at.is_some() != disabled {
                webhook.disabled_at = disabled.then(|| self.clock.now());
                webhooks::update(connection, &webhook).await?;
                let action = if disabled { "webhook.disable" } else { "webhook.enable" };
                self.audit(connection, action, &target(name), json!({})).await?;
            }
            Ok(Done::plain(webhook.into()))
        };
        self.store.transaction(set).await
    }

    /// Removes it, and with it what is on its way.
    pub async fn delete_webhook(&self, name: &str) -> Result<Done<WebhookView>, Error> {
        let deleted = async |connection: &mut Connection| {
            let webhook = find(connection, name).await?;
            webhooks::delete(connection, webhook.id).await?;
            self.audit(connection, "webhook.delete", &target(name), json!({})).await?;
            Ok(Done::plain(webhook.into()))
        };
        self.store.transaction(deleted).await
    }
}

/// # Errors
/// When there is no such webhook.
pub(super) async fn find(connection: &mut Connection, name: &str) -> Result<Webhook, Error> {
    // No row has such a name, and PostgreSQL would fail on a NUL.
    let found = if check_name(name).is_ok() { webhooks::find(connection, name).await? } else { None };
    found.ok_or_else(|| Error::NotFound { kind: KIND, name: name.to_owned() })
}

pub(super) fn target(name: &str) -> String {
    format!("webhook:{name}")
}

fn check_name(name: &str) -> Result<(), Error> {
    let readable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=64).contains(&name.len()) && name.bytes().all(readable) {
        return Ok(());
    }
    Err(Error::invalid("name", "must have 1 to 64 letters, digits, hyphens, underscores or dots"))
}

fn check_target(delivery: Delivery, endpoint: Option<&str>, authorization: Option<&Secret>) -> Result<(), Error> {
    match (delivery, endpoint) {
        (Delivery::Push, None) => return Err(Error::invalid("endpoint", "is missing: it is where to push to")),
        (Delivery::Push, Some(endpoint)) => {
            check_endpoint(endpoint).map_err(|error| Error::invalid("endpoint", error.to_string()))?;
        }
        (Delivery::Poll, Some(_)) => return Err(Error::invalid("endpoint", "is none of a receiver that polls")),
        (Delivery::Poll, None) if authorization.is_some() => {
            return Err(Error::invalid("authorization", "is sent nowhere where the receiver polls"));
        }
        (Delivery::Poll, None) => {}
    }
    let is_header = |value: &str| {
        let (scheme, credentials) = value.split_once(' ').unwrap_or_default();
        let visible = value.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        visible && value.len() <= 4096 && !scheme.is_empty() && !credentials.trim().is_empty()
    };
    if authorization.is_some_and(|authorization| !is_header(authorization.expose())) {
        let reason = "must be the whole value of the header in ASCII, such as `Bearer TOKEN`";
        return Err(Error::invalid("authorization", reason));
    }
    Ok(())
}

/// Each once, in the order of their list.
fn names(kinds: &[Kind]) -> Vec<String> {
    Kind::ALL.iter().filter(|kind| kinds.contains(kind)).map(ToString::to_string).collect()
}

/// An authorization on its way from whoever sets it, in a change, where `null` is a value.
mod chosen_in_clear {
    use serde::{Deserializer, Serializer};

    use crate::admin::Choice;
    use crate::secret::{Secret, exposed};

    pub fn serialize<S: Serializer>(value: &Option<Choice<Secret>>, serializer: S) -> Result<S::Ok, S::Error> {
        exposed::option::serialize(&value.clone().and_then(Choice::into_option), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Choice<Secret>>, D::Error> {
        Ok(Some(exposed::option::deserialize(deserializer)?.map_or(Choice::Default, Choice::Own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_absent_from_null() {
        let change = |text: &str| serde_json::from_str::<WebhookChange>(text);
        assert!(change("{}").unwrap().authorization.is_none());
        assert!(matches!(change(r#"{"authorization":null}"#).unwrap().authorization, Some(Choice::Default)));
        let set = change(r#"{"authorization":"Bearer x"}"#).unwrap();
        assert!(matches!(&set.authorization, Some(Choice::Own(value)) if value.expose() == "Bearer x"));
        assert_eq!(serde_json::to_value(set).unwrap(), json!({ "authorization": "Bearer x" }));
        assert!(change(r#"{"name":"other"}"#).is_err(), "a member that cannot change");
    }
}
