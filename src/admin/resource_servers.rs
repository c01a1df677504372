//! Resource servers: the APIs that trust this issuer. Each authenticates at introspection (RFC 7662 §2.1) with its audience
//! as `client_id` and a secret of its own. How its signing algorithm changes is in `signing_algorithm`.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::audit::{differences, turned};
use super::client_rules::check_access_token_lifetime;
use super::client_secrets::two_already;
use super::{Admin, Choice, Done, Error, choice, every, lifetime};
use crate::protocol::audience;
use crate::protocol::jwk::Algorithm;
use crate::protocol::scope::Scope;
use crate::secret::{Secret, SecretHash};
use crate::store::resource_servers::{self, ResourceServer};
use crate::store::{self, Connection, Spelled, clients, settings};

const KIND: &str = "resource server";

/// Lets a scanner of leaked secrets know a resource server's.
const SECRET_PREFIX: &str = "sga_";

#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResourceServer {
    pub audience: String,
    pub scope: Scope,
    /// Seconds; absent: the default of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<i64>,
    /// Absent: ES256.
    #[serde(default = "default_algorithm")]
    pub signing_algorithm: Algorithm,
}

fn default_algorithm() -> Algorithm {
    Algorithm::ES256
}

/// What is absent stays as it is, and `null` is as the settings have it (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceServerChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub access_token_lifetime: Option<Choice<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<Algorithm>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResourceServerView {
    pub audience: String,
    pub scope: Scope,
    pub access_token_lifetime: Option<i64>,
    pub signing_algorithm: Algorithm,
    /// What still signs until `signing_algorithm_since`.
    pub former_signing_algorithm: Option<Algorithm>,
    pub signing_algorithm_since: Option<DateTime<Utc>>,
    /// Until when the secret before the present one is accepted.
    pub previous_secret_expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
}

impl ResourceServerView {
    /// As it stands at `now`: what has ended is left out.
    pub(super) fn at(server: ResourceServer, now: DateTime<Utc>) -> Self {
        let changing = server.signing_algorithm_since.is_some_and(|since| now < since);
        Self {
            audience: server.audience,
            scope: server.scope.0,
            access_token_lifetime: server.access_token_lifetime,
            signing_algorithm: server.signing_algorithm.0,
            former_signing_algorithm: server.former_signing_algorithm.filter(|_| changing).map(|former| former.0),
            signing_algorithm_since: server.signing_algorithm_since.filter(|_| changing),
            previous_secret_expires_at: server.previous_secret_expires_at.filter(|end| now < *end),
            created_at: server.created_at,
            disabled_at: server.disabled_at,
        }
    }
}

impl Admin {
    /// Answers the secret for introspection, once.
    pub async fn create_resource_server(&self, new: NewResourceServer) -> Result<Done<ResourceServerView>, Error> {
        audience::check(&new.audience).map_err(|reason| Error::invalid("audience", reason))?;
        // Looked at first, so that a slip makes no key; the insertion decides.
        if resource_servers::find(&mut self.store.reading().await?, &new.audience).await?.is_some() {
            return Err(Error::Exists { kind: KIND, name: new.audience });
        }
        self.ensure_first_key(new.signing_algorithm).await?;
        let now = self.clock.now();
        let secret = Secret::generate(SECRET_PREFIX, &self.entropy);
        let server = ResourceServer {
            id: self.entropy.ordered_uuid(now),
            audience: new.audience,
            scope: Spelled(new.scope),
            access_token_lifetime: new.access_token_lifetime,
            signing_algorithm: Spelled(new.signing_algorithm),
            former_signing_algorithm: None,
            signing_algorithm_since: None,
            secret_hash: SecretHash::of(&secret).as_bytes().to_vec(),
            previous_secret_hash: None,
            previous_secret_expires_at: None,
            created_at: now,
            disabled_at: None,
        };
        let created = async |connection: &mut Connection| {
            if clients::find(connection, &server.audience).await?.is_some() {
                return Err(Error::Refused(format!(
                    "{} is the client_id of a client, and both authenticate by that name: choose another audience",
                    server.audience
                )));
            }
            let settings = settings::load(connection).await?;
            let notes = check_access_token_lifetime(server.access_token_lifetime, &settings)?;
            resource_servers::insert(connection, &server).await.map_err(|error| match error {
                store::Error::Exists => Error::Exists { kind: KIND, name: server.audience.clone() },
                other => other.into(),
            })?;
            let view = ResourceServerView::at(server, now);
            self.audit(connection, "resource_server.create", &target(&view.audience), json!(view)).await?;
            let done = Done { view, client_secret: Some(secret), notes: notes.into_iter().collect() };
            self.remember(connection, &done).await?;
            Ok(done)
        };
        self.configure(created).await
    }

    /// Resource servers in the order of their audiences, those behind `after`.
    pub async fn resource_servers(&self, after: &str, limit: i64) -> Result<Vec<ResourceServerView>, Error> {
        let rows = resource_servers::list(&mut self.store.reading().await?, after, limit).await?;
        let now = self.clock.now();
        Ok(rows.into_iter().map(|server| ResourceServerView::at(server, now)).collect())
    }

    pub async fn count_resource_servers(&self) -> Result<i64, Error> {
        Ok(resource_servers::count(&mut self.store.reading().await?).await?)
    }

    pub async fn resource_server(&self, audience: &str) -> Result<ResourceServerView, Error> {
        Ok(ResourceServerView::at(find(&mut self.store.reading().await?, audience).await?, self.clock.now()))
    }

    pub async fn update_resource_server(
        &self,
        audience: &str,
        change: ResourceServerChange,
    ) -> Result<Done<ResourceServerView>, Error> {
        let planned = match change.signing_algorithm {
            Some(algorithm) => Some(self.plan_algorithm(audience, algorithm).await?),
            None => None,
        };
        let updated = async |connection: &mut Connection| {
            let now = self.clock.now();
            let mut server = find(connection, audience).await?;
            let before = ResourceServerView::at(server.clone(), now);
            self.check_version(&before)?;
            let mut notes = Vec::new();
            if let Some(scope) = change.scope {
                server.scope = Spelled(scope);
            }
            if let Some(choice) = change.access_token_lifetime {
                server.access_token_lifetime = choice.into_option();
            }
            notes
                .extend(check_access_token_lifetime(server.access_token_lifetime, &settings::load(connection).await?)?);
            if let Some(planned) = planned {
                notes.extend(planned.apply(&mut server, now));
            }
            resource_servers::update(connection, &server).await?;
            let view = ResourceServerView::at(server, now);
            if let Some(differences) = differences(&before, &view) {
                self.audit(connection, "resource_server.update", &target(audience), differences).await?;
            }
            Ok(Done { notes, ..Done::plain(view) })
        };
        self.configure(updated).await
    }

    /// Answers a new secret. The old one ends now, or after `keep_old_for` seconds.
    pub async fn rotate_resource_server_secret(
        &self,
        audience: &str,
        keep_old_for: Option<i64>,
    ) -> Result<Done<ResourceServerView>, Error> {
        if let Some(seconds) = keep_old_for {
            lifetime::check("keep_old_for", seconds)?;
        }
        let rotated = async |connection: &mut Connection| {
            let now = self.clock.now();
            let mut server = find(connection, audience).await?;
            let older = server.previous_secret_expires_at.filter(|end| now < *end);
            if let (Some(_), Some(end)) = (keep_old_for, older) {
                return Err(two_already(audience, Some(end)));
            }
            let secret = Secret::generate(SECRET_PREFIX, &self.entropy);
            let former = std::mem::replace(&mut server.secret_hash, SecretHash::of(&secret).as_bytes().to_vec());
            server.previous_secret_hash = keep_old_for.map(|_| former);
            server.previous_secret_expires_at = keep_old_for.map(|seconds| now + Duration::seconds(seconds));
            resource_servers::update(connection, &server).await?;
            let details = json!({ "keep_old_for": keep_old_for });
            self.audit(connection, "resource_server.rotate_secret", &target(audience), details).await?;
            Ok(Done { client_secret: Some(secret), ..Done::plain(ResourceServerView::at(server, now)) })
        };
        self.configure(rotated).await
    }

    /// Stops issuing tokens for it and answering it at introspection, until it is enabled again.
    pub async fn disable_resource_server(&self, audience: &str) -> Result<Done<ResourceServerView>, Error> {
        self.set_resource_server_disabled(audience, true).await
    }

    pub async fn enable_resource_server(&self, audience: &str) -> Result<Done<ResourceServerView>, Error> {
        self.set_resource_server_disabled(audience, false).await
    }

    async fn set_resource_server_disabled(
        &self,
        audience: &str,
        disabled: bool,
    ) -> Result<Done<ResourceServerView>, Error> {
        let set = async |connection: &mut Connection| {
            let now = self.clock.now();
            let mut server = find(connection, audience).await?;
            if server.disabled_at.is_some() != disabled {
                server.disabled_at = disabled.then_some(now);
                resource_servers::update(connection, &server).await?;
                let action = if disabled { "resource_server.disable" } else { "resource_server.enable" };
                self.audit(connection, action, &target(audience), turned("disabled", disabled)).await?;
            }
            Ok(Done::plain(ResourceServerView::at(server, now)))
        };
        self.configure(set).await
    }

    /// Refused while a client lists the audience.
    pub async fn delete_resource_server(&self, audience: &str) -> Result<Done<ResourceServerView>, Error> {
        let deleted = async |connection: &mut Connection| {
            let server = find(connection, audience).await?;
            let page = async |after: &String, limit| Ok(clients::list(connection, after, limit).await?);
            let all = every(String::new(), page, |client| client.client_id.clone()).await?;
            let users = all.into_iter().filter(|client| client.audiences.0.iter().any(|listed| listed == audience));
            let names: Vec<String> = users.map(|client| client.client_id).collect();
            if !names.is_empty() {
                return Err(Error::Refused(format!(
                    "{audience} is an audience of the client(s) {}: take it from each with `signet client update`, or \
                     delete the client, or only disable the resource server",
                    names.join(", ")
                )));
            }
            resource_servers::delete(connection, server.id).await?;
            let view = ResourceServerView::at(server, self.clock.now());
            self.audit(connection, "resource_server.delete", &target(audience), json!({ "before": view })).await?;
            Ok(Done::plain(view))
        };
        self.configure(deleted).await
    }
}

/// # Errors
/// When there is no such resource server.
pub(super) async fn find(connection: &mut Connection, audience: &str) -> Result<ResourceServer, Error> {
    // No row has such a name, and PostgreSQL would fail on a NUL.
    let possible = audience::check(audience).is_ok();
    let found = if possible { resource_servers::find(connection, audience).await? } else { None };
    found.ok_or_else(|| Error::NotFound { kind: KIND, name: audience.to_owned() })
}

fn target(audience: &str) -> String {
    format!("resource_server:{audience}")
}
