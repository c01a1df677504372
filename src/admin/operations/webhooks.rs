//! Webhooks over HTTP and on the command line; and the poll of their receivers (RFC 8936), which needs a scope of its own.

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::page::{self, Page, PageQuery};
use crate::admin::webhook_deliveries::{DeliveryState, DeliveryView};
use crate::admin::webhooks::{NewWebhook, WebhookChange, WebhookView};
use crate::admin::{Done, version_of};
use crate::protocol::set_poll::{PollRequest, PollResponse};

#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Only those of this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<DeliveryState>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

impl Body for NewWebhook {}
impl Body for WebhookChange {}
impl Body for PollRequest {}
impl Answer for DeliveryView {}
impl Answer for PollResponse {}

impl Answer for WebhookView {
    fn version(&self) -> Option<String> {
        Some(version_of(self))
    }

    fn named(&self) -> Option<String> {
        Some(self.name.clone())
    }
}

operations! {
    /// Lists webhooks in the order of their names.
    ListWebhooks = Get "/webhooks" (List, Read) |admin, _: (), query: PageQuery, _: ()| -> Page<WebhookView> {
        let after: String = query.after()?;
        let fetch = async |limit| admin.webhooks(&after, limit).await;
        admin.page(query.limit, fetch, |webhook| webhook.name.clone()).await
    }

    /// Makes a webhook; it is told of what happens from now on.
    CreateWebhook = Post "/webhooks" (Create, Write) |admin, _: (), _: NoQuery, new: NewWebhook| -> Done<WebhookView> {
        admin.create_webhook(new).await
    }

    /// Shows a webhook.
    ShowWebhook = Get "/webhooks/{name}" (Show, Read) |admin, name: String, _: NoQuery, _: ()| -> WebhookView {
        admin.webhook(&name).await
    }

    /// Changes a webhook; what is absent stays as it is, and an authorization of `null` is taken away.
    UpdateWebhook = Patch "/webhooks/{name}" (Update, Write)
        |admin, name: String, _: NoQuery, change: WebhookChange| -> Done<WebhookView> {
        admin.update_webhook(&name, change).await
    }

    /// Tells the webhook nothing until it is enabled.
    DisableWebhook = Post "/webhooks/{name}/disable" (Act, Write)
        |admin, name: String, _: NoQuery, _: ()| -> Done<WebhookView> {
        admin.disable_webhook(&name).await
    }

    /// Tells the webhook again of what happens from now on, and what waited for it.
    EnableWebhook = Post "/webhooks/{name}/enable" (Act, Write)
        |admin, name: String, _: NoQuery, _: ()| -> Done<WebhookView> {
        admin.enable_webhook(&name).await
    }

    /// Removes the webhook and what is on its way to it.
    DeleteWebhook = Delete "/webhooks/{name}" (Act, Write) |admin, name: String, _: NoQuery, _: ()| -> Done<WebhookView> {
        admin.delete_webhook(&name).await
    }

    /// Lists what was or is to be delivered, and what kept it.
    ListDeliveries = Get "/webhooks/{name}/deliveries" (List, Read)
        |admin, name: String, query: DeliveriesQuery, _: ()| -> Page<DeliveryView> {
        let after: Uuid = page::after(query.cursor.as_deref())?;
        let fetch = async |limit| admin.webhook_deliveries(&name, query.state, after, limit).await;
        admin.page(query.limit, fetch, |delivery| delivery.jti).await
    }

    /// Delivers an event once more, with the same jti.
    Redeliver = Post "/webhook-deliveries/{jti}/redeliver" (Act, Write)
        |admin, jti: Uuid, _: NoQuery, _: ()| -> Done<DeliveryView> {
        admin.redeliver(jti).await
    }

    /// Sends a verification event (SSF 1.0), to see that events arrive.
    TestWebhook = Post "/webhooks/{name}/test" (Act, Write) |admin, name: String, _: NoQuery, _: ()| -> Done<DeliveryView> {
        admin.test_webhook(&name).await
    }

    /// Answers a receiver that fetches its events, and takes its acknowledgements (RFC 8936).
    PollEvents = Post "/webhooks/{name}/poll" (Act, Events)
        |admin, name: String, _: NoQuery, request: PollRequest| -> PollResponse {
        admin.poll_events(&admin.provider()?.issuer, &name, &request).await
    }
}
