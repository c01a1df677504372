//! Clients over HTTP and on the command line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::client_secrets::ClientDetails;
use crate::admin::clients::{ClientChange, ClientView, NewClient};
use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::page::{Page, PageQuery};
use crate::admin::{Done, version_of};

/// How a secret is replaced.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// For how many seconds the present secret stays valid; absent: it ends now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_old_for: Option<i64>,
}

impl Body for NewClient {}
impl Body for ClientChange {}
impl Body for SecretRotation {}

impl Answer for ClientView {
    fn version(&self) -> Option<String> {
        Some(version_of(self))
    }

    fn named(&self) -> Option<String> {
        Some(self.client_id.clone())
    }
}

impl Answer for ClientDetails {
    fn version(&self) -> Option<String> {
        self.client.version()
    }
}

operations! {
    /// Lists clients in the order of their identifiers.
    ListClients = Get "/clients" (List, Read) |admin, _: (), query: PageQuery, _: ()| -> Page<ClientView> {
        let after: String = query.after()?;
        let fetch = async |limit| admin.clients(&after, limit).await;
        let mut page = admin.page(query.limit, fetch, |client| client.client_id.clone()).await?;
        page.total = Some(admin.count_clients().await?);
        Ok(page)
    }

    /// Registers a client and answers its secret, once.
    CreateClient = Post "/clients" (Create, Write) |admin, _: (), _: NoQuery, new: NewClient| -> Done<ClientView> {
        admin.create_client(new).await
    }

    /// Shows a client and when its secrets end.
    ShowClient = Get "/clients/{client_id}" (Show, Read) |admin, client_id: String, _: NoQuery, _: ()| -> ClientDetails {
        admin.client(&client_id).await
    }

    /// Changes a client; what is absent stays as it is, and `null` is as the settings have it.
    UpdateClient = Patch "/clients/{client_id}" (Update, Write)
        |admin, client_id: String, _: NoQuery, change: ClientChange| -> Done<ClientView> {
        admin.update_client(&client_id, change).await
    }

    /// Makes a new secret and answers it, once; the old one ends now or when it is said to.
    RotateClientSecret = Post "/clients/{client_id}/secrets" (Act, Write)
        |admin, client_id: String, _: NoQuery, rotation: SecretRotation| -> Done<ClientDetails> {
        admin.rotate_client_secret(&client_id, rotation.keep_old_for).await
    }

    /// Refuses the client and its tokens until it is enabled; its grants are kept.
    DisableClient = Post "/clients/{client_id}/disable" (Act, Write)
        |admin, client_id: String, _: NoQuery, _: ()| -> Done<ClientView> {
        admin.disable_client(&client_id).await
    }

    /// Lets a disabled client and its unexpired tokens be accepted again.
    EnableClient = Post "/clients/{client_id}/enable" (Act, Write)
        |admin, client_id: String, _: NoQuery, _: ()| -> Done<ClientView> {
        admin.enable_client(&client_id).await
    }

    /// Removes the client; every token of it is invalid from then on.
    DeleteClient = Delete "/clients/{client_id}" (Act, Write)
        |admin, client_id: String, _: NoQuery, _: ()| -> Done<ClientView> {
        admin.delete_client(&client_id).await
    }
}
