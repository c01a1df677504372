//! Clients (RFC 7591 §2): everything that is not listed for a client is refused to it. What may be listed together is in
//! `client_rules`, their secrets are in `client_secrets`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::audit::{differences, turned};
use super::client_rules::{self, apply, each_once};
use super::{Admin, Choice, Done, Error, choice};
use crate::protocol::client::{AuthMethod, GrantType, check_client_id};
use crate::protocol::network::Network;
use crate::protocol::scope::Scope;
use crate::status::{revoke_client_tokens, revoke_grants};
use crate::store::clients::{self, Client};
use crate::store::grants::{self, Selection};
use crate::store::{self, Connection, Json, Spelled, resource_servers, settings};

const KIND: &str = "client";

/// Lifetimes are in seconds; what is absent is as the settings have it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    pub client_id: String,
    pub grant_types: Vec<GrantType>,
    /// The first is the default.
    pub audiences: Vec<String>,
    /// Absent: all that the audiences offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Absent: a secret, presented either way. `none` makes a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_idle_lifetime: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_absolute_lifetime: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_limit: Option<i64>,
    /// From where it may log users in with a password; none: from everywhere.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub allowed_networks: Vec<Network>,
}

impl NewClient {
    /// A client of which nothing else is said: with every scope of its audiences, a secret, and what the settings have.
    pub fn new(client_id: impl Into<String>, grant_types: &[GrantType], audiences: &[&str]) -> Self {
        Self {
            client_id: client_id.into(),
            grant_types: grant_types.to_vec(),
            audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
            scope: None,
            token_endpoint_auth_method: None,
            access_token_lifetime: None,
            refresh_idle_lifetime: None,
            refresh_absolute_lifetime: None,
            grant_limit: None,
            allowed_networks: Vec::new(),
        }
    }
}

/// What is absent stays as it is, and `null` is as the settings have it (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<GrantType>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AuthMethod>)]
    pub token_endpoint_auth_method: Option<Choice<AuthMethod>>,
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub access_token_lifetime: Option<Choice<i64>>,
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub refresh_idle_lifetime: Option<Choice<i64>>,
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub refresh_absolute_lifetime: Option<Choice<i64>>,
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub grant_limit: Option<Choice<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_networks: Option<Vec<Network>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClientView {
    pub client_id: String,
    pub token_endpoint_auth_method: Option<AuthMethod>,
    pub grant_types: Vec<GrantType>,
    pub audiences: Vec<String>,
    pub scope: Scope,
    pub access_token_lifetime: Option<i64>,
    pub refresh_idle_lifetime: Option<i64>,
    pub refresh_absolute_lifetime: Option<i64>,
    /// How many live grants a user may have at it.
    pub grant_limit: Option<i64>,
    /// From where it may log users in with a password; none: from everywhere.
    #[schema(value_type = Vec<String>, example = json!(["10.0.0.0/8"]))]
    pub allowed_networks: Vec<Network>,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        Self {
            client_id: client.client_id,
            token_endpoint_auth_method: client.token_endpoint_auth_method.map(|method| method.0),
            grant_types: client.grant_types.0,
            audiences: client.audiences.0,
            scope: client.scope.0,
            access_token_lifetime: client.access_token_lifetime,
            refresh_idle_lifetime: client.refresh_idle_lifetime,
            refresh_absolute_lifetime: client.refresh_absolute_lifetime,
            grant_limit: client.grant_limit,
            allowed_networks: client.allowed_networks.0,
            created_at: client.created_at,
            disabled_at: client.disabled_at,
        }
    }
}

impl Admin {
    /// Answers the secret of a confidential client, once.
    pub async fn create_client(&self, new: NewClient) -> Result<Done<ClientView>, Error> {
        check_client_id(&new.client_id).map_err(|reason| Error::invalid("client_id", reason))?;
        let now = self.clock.now();
        let NewClient { scope, .. } = new;
        let mut client = Client {
            id: self.entropy.ordered_uuid(now),
            client_id: new.client_id,
            token_endpoint_auth_method: new.token_endpoint_auth_method.map(Spelled),
            grant_types: Json(each_once(new.grant_types)),
            scope: Spelled(Scope::default()),
            audiences: Json(each_once(new.audiences)),
            access_token_lifetime: new.access_token_lifetime,
            refresh_idle_lifetime: new.refresh_idle_lifetime,
            refresh_absolute_lifetime: new.refresh_absolute_lifetime,
            created_at: now,
            disabled_at: None,
            grant_limit: new.grant_limit,
            allowed_networks: Json(each_once(new.allowed_networks)),
        };
        let created = async |connection: &mut Connection| {
            if resource_servers::find(connection, &client.client_id).await?.is_some() {
                return Err(Error::Refused(format!(
                    "{} is the audience of a resource server, and both authenticate by that name: choose another \
                     client_id",
                    client.client_id
                )));
            }
            let servers = client_rules::servers(connection, &client).await?;
            client.scope = Spelled(scope.map_or_else(|| client_rules::offered(&servers), Ok)?);
            let notes = client_rules::check(&client, &servers, &settings::load(connection).await?)?;
            clients::insert(connection, &client).await.map_err(|error| match error {
                store::Error::Exists => Error::Exists { kind: KIND, name: client.client_id.clone() },
                other => other.into(),
            })?;
            let client_secret =
                if is_public(&client) { None } else { Some(self.add_secret(connection, &client).await?) };
            let view = ClientView::from(client);
            self.audit(connection, "client.create", &target(&view.client_id), json!(view)).await?;
            let done = Done { view, client_secret, notes };
            self.remember(connection, &done).await?;
            Ok(done)
        };
        self.configure(created).await
    }

    /// Clients in the order of their identifiers, those behind `after`.
    pub async fn clients(&self, after: &str, limit: i64) -> Result<Vec<ClientView>, Error> {
        let rows = clients::list(&mut self.store.reading().await?, after, limit).await?;
        Ok(rows.into_iter().map(ClientView::from).collect())
    }

    pub async fn count_clients(&self) -> Result<i64, Error> {
        Ok(clients::count(&mut self.store.reading().await?).await?)
    }

    /// Takes effect with the next token: those that were issued stay what they are.
    pub async fn update_client(&self, client_id: &str, change: ClientChange) -> Result<Done<ClientView>, Error> {
        let updated = async |connection: &mut Connection| {
            let before = find(connection, client_id).await?;
            self.check_version(&ClientView::from(before.clone()))?;
            let client = apply(before.clone(), change)?;
            let servers = client_rules::servers(connection, &client).await?;
            let notes = client_rules::check(&client, &servers, &settings::load(connection).await?)?;
            clients::update(connection, &client).await?;
            let view = ClientView::from(client);
            if let Some(differences) = differences(&ClientView::from(before), &view) {
                self.audit(connection, "client.update", &target(client_id), differences).await?;
            }
            Ok(Done { notes, ..Done::plain(view) })
        };
        self.configure(updated).await
    }

    /// Refuses the client and its tokens until it is enabled again; its grants are kept.
    pub async fn disable_client(&self, client_id: &str) -> Result<Done<ClientView>, Error> {
        self.set_client_disabled(client_id, true).await
    }

    pub async fn enable_client(&self, client_id: &str) -> Result<Done<ClientView>, Error> {
        self.set_client_disabled(client_id, false).await
    }

    async fn set_client_disabled(&self, client_id: &str, disabled: bool) -> Result<Done<ClientView>, Error> {
        let set = async |connection: &mut Connection| {
            let mut client = find(connection, client_id).await?;
            if client.disabled_at.is_some() != disabled {
                client.disabled_at = disabled.then(|| self.clock.now());
                clients::update(connection, &client).await?;
                let action = if disabled { "client.disable" } else { "client.enable" };
                self.audit(connection, action, &target(client_id), turned("disabled", disabled)).await?;
            }
            Ok(Done::plain(client.into()))
        };
        self.configure(set).await
    }

    /// Removes the client. Its tokens are invalid from then on, those of its users as well as its own.
    pub async fn delete_client(&self, client_id: &str) -> Result<Done<ClientView>, Error> {
        let deleted = async |connection: &mut Connection| {
            let client = find(connection, client_id).await?;
            let moment = self.moment(connection).await?;
            let selection = Selection { client: Some(client.id), ..Selection::default() };
            let revoked = revoke_grants(connection, &self.entropy, selection, moment, "client deleted").await?;
            revoke_client_tokens(connection, &self.entropy, (Some(client.id), None), moment).await?;
            grants::delete(connection, selection).await?;
            clients::delete(connection, client.id).await.map_err(|error| match error {
                store::Error::Referred => Error::Refused(format!(
                    "somebody logged in through {client_id} at this moment: disable the client, then delete it"
                )),
                other => other.into(),
            })?;
            let view = ClientView::from(client);
            let details = json!({ "before": view, "grants_revoked": revoked });
            self.audit(connection, "client.delete", &target(client_id), details).await?;
            let told = (revoked > 0).then(|| format!("{revoked} grant(s) of the client ended"));
            Ok(Done { notes: told.into_iter().collect(), ..Done::plain(view) })
        };
        self.configure(deleted).await
    }
}

/// # Errors
/// When there is no such client.
pub(super) async fn find(connection: &mut Connection, client_id: &str) -> Result<Client, Error> {
    // No row has such a name, and PostgreSQL would fail on a NUL.
    let found = if check_client_id(client_id).is_ok() { clients::find(connection, client_id).await? } else { None };
    found.ok_or_else(|| Error::NotFound { kind: KIND, name: client_id.to_owned() })
}

pub(super) fn is_public(client: &Client) -> bool {
    client.token_endpoint_auth_method.as_ref().is_some_and(|method| method.0 == AuthMethod::None)
}

pub(super) fn target(client_id: &str) -> String {
    format!("client:{client_id}")
}
