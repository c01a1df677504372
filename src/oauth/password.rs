//! The resource owner password credentials grant (RFC 6749 §4.3). A legacy grant: RFC 9700 §2.4 forbids it to new
//! systems. It is here for those that live on it, off for every client that does not list it.

use chrono::Duration;
use serde_json::json;
use uuid::Uuid;

use super::audit::Deed;
use super::client_authentication::AuthenticatedClient;
use super::issue::{self, Subject};
use super::login::Login;
use super::target::Target;
use super::token_events::{Occasion, TOKEN_ISSUE};
use super::{Error, GrantRefusal, Origin, Provider};
use crate::protocol::client::GrantType;
use crate::protocol::token::{Requested, TokenResponse};
use crate::secret::Secret;
use crate::status::{self, Moment, Taker};
use crate::store::audit_events;
use crate::store::clients::Client;
use crate::store::grants::Grant;
use crate::store::logins::{self, Aftermath};
use crate::store::settings::Settings;
use crate::store::users::User;
use crate::store::{self, Connection, Json, Spelled};

impl Provider {
    pub(super) async fn password(
        &self,
        client: &AuthenticatedClient,
        (presented_name, presented_password): (&str, Secret),
        requested: &Requested,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        let client = client.client();
        let networks = &client.allowed_networks.0;
        if !networks.is_empty() && !origin.address.is_some_and(|at| networks.iter().any(|network| network.contains(at)))
        {
            return Err(Error::OutsideNetworks);
        }
        // Asked first: a request that can get nothing must not cost a hash.
        let target = self.target(client, (&client.audiences.0, &client.scope.0), requested).await?;
        let settings = self.directory.settings().await?;
        let login = self.log_in(Some(client), (presented_name, &presented_password), &settings, origin).await;
        self.password_grant_uses.count(&client.client_id, login.is_ok());
        let login = login?;

        let grant = self.new_grant(client, &login, (&target, requested), (&settings, origin)).await?;
        let refreshes = client.grant_types.0.contains(&GrantType::RefreshToken);
        let refresh_token = refreshes.then(|| self.secrets.refresh_token(grant.id, grant.generation));
        let subject = Subject::Grant {
            id: grant.id,
            user: grant.user_id,
            until: grant.expires_at,
            refresh_token: refresh_token.as_ref(),
        };
        let occasion = Occasion { action: TOKEN_ISSUE, settings: &settings, origin };
        self.issue(client, &subject, &target, (grant.status(), occasion))
    }

    async fn new_grant(
        &self,
        client: &Client,
        login: &Login,
        (target, requested): (&Target, &Requested),
        (settings, origin): (&Settings, &Origin),
    ) -> Result<Grant, Error> {
        let (now, user) = (self.clock.now(), &login.user);
        let seconds = |own: Option<i64>, default| Duration::seconds(own.unwrap_or(default));
        let (idle, absolute) = if client.grant_types.0.contains(&GrantType::RefreshToken) {
            (
                seconds(client.refresh_idle_lifetime, settings.refresh_idle_lifetime),
                seconds(client.refresh_absolute_lifetime, settings.refresh_absolute_lifetime),
            )
        } else {
            // It holds one access token and ends with it.
            let only = issue::lifetime(client, &target.server, settings);
            (only, only)
        };
        // Without `resource` the grant is for every API of the client; with it, for that one.
        let audiences =
            if requested.resources.is_empty() { client.audiences.0.clone() } else { requested.resources.clone() };
        let mut grant = Grant {
            id: self.entropy.ordered_uuid(now),
            client_id: client.id,
            user_id: user.id,
            audiences: Json(audiences),
            scope: Spelled(requested.scope.clone().unwrap_or_else(|| client.scope.0.clone())),
            generation: 1,
            created_at: now,
            rotated_at: None,
            idle_expires_at: now + idle.min(absolute),
            expires_at: now + absolute,
            revoked_at: None,
            revoked_reason: None,
            status_list_id: 0,
            status_index: 0,
        };
        loop {
            let status = self.statuses.next(Taker::Grant).await?;
            (grant.status_list_id, grant.status_index) = (status.list, status.index);
            let approved = async |connection: &mut Connection| -> Result<(), NotAdded> {
                let details = json!({ "user_id": user.id, "grant_id": grant.id });
                let event = self.login_event(("login.success", now), (Some(client), Some(user)), details, origin);
                let limit = client.grant_limit.unwrap_or(settings.grant_limit);
                let counter = login.counter_of_known();
                let added = logins::insert(connection, user, (&grant, limit), &event, counter).await?;
                let Aftermath { is_revoked, evicted } = added.ok_or(NotAdded::Changed)?;
                if is_revoked {
                    return Err(NotAdded::Index);
                }
                login.remember(connection, now).await?;
                if !evicted.is_empty() {
                    self.record_evicted(connection, (client, user), (&grant, limit, evicted), (settings, origin))
                        .await?;
                }
                Ok(())
            };
            match self.store.transaction(approved).await {
                Ok(()) => return Ok(grant),
                // The password was changed, or the user or client removed, while the password was being checked.
                Err(NotAdded::Changed | NotAdded::Store(store::Error::Referred)) => {
                    return Err(Error::InvalidGrant(GrantRefusal::Changed));
                }
                Err(NotAdded::Index) => self.statuses.discard(Taker::Grant, status),
                Err(NotAdded::Store(error)) => return Err(error.into()),
            }
        }
    }

    /// Records that the user's oldest grants at the client ended, where the new one was one too many. The transaction has
    /// written the user's row, so that of logins at the same time each finds the grants of those before it.
    async fn record_evicted(
        &self,
        connection: &mut Connection,
        (client, user): (&Client, &User),
        (newest, limit, evicted): (&Grant, i64, Vec<(Uuid, i64, i64)>),
        (settings, origin): (&Settings, &Origin),
    ) -> Result<(), store::Error> {
        let now = newest.created_at;
        let moment = Moment { now, retention: settings.retention_at(now) };
        status::record_evicted(connection, &self.entropy, &evicted, moment).await?;
        let evicted: Vec<Uuid> = evicted.into_iter().map(|(id, ..)| id).collect();
        let deed = Deed {
            actor: format!("client:{}", client.client_id),
            action: "grant.evict",
            target: format!("user:{}", user.username),
        };
        let details = json!({
            "grants_revoked": evicted.len(),
            "grant_limit": limit,
            "grant_id": newest.id,
            "evicted": evicted,
            "sub": user.id,
            "client_id": client.client_id,
        });
        let event = self.event(now, deed, details, origin);
        audit_events::insert(connection, &event).await
    }
}

/// Why a grant was not added; nothing was written then.
enum NotAdded {
    /// The user is not as it was when the password was checked.
    Changed,
    /// A signing key was revoked, and with it the block that the index is from.
    Index,
    Store(store::Error),
}

impl From<store::Error> for NotAdded {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
