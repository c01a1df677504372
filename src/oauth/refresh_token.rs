//! The refresh-token grant (RFC 6749 §6), with rotation and reuse detection (RFC 9700 §4.14.2).
//!
//! A refresh token names a grant and a generation; `store::grants::redeem` lets one request take each generation. A used
//! token that comes back within the retry window gets the same successor (an answer was lost, or two requests raced);
//! later it is a replay, and the whole grant ends.

use chrono::Duration;
use serde_json::json;
use uuid::Uuid;

use super::audit::Deed;
use super::client_authentication::AuthenticatedClient;
use super::issue::Subject;
use super::token_events::{Occasion, TOKEN_REFRESH, TOKEN_RETRY};
use super::{Error, GrantRefusal, Origin, Provider};
use crate::keys::RefreshTokenParts;
use crate::protocol::token::{Requested, TokenResponse};
use crate::secret::Secret;
use crate::status::{Moment, StatusIndex, revoke_grants};
use crate::store::Connection;
use crate::store::audit_events;
use crate::store::clients::Client;
use crate::store::grants::{self, Grant, Redemption, Selection};
use crate::store::settings::Settings;

impl Grant {
    pub(super) fn status(&self) -> StatusIndex {
        StatusIndex { list: self.status_list_id, index: self.status_index }
    }
}

impl Provider {
    pub(super) async fn refresh_token(
        &self,
        client: &AuthenticatedClient,
        presented: &Secret,
        requested: &Requested,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        let client = client.client();
        let token = self.secrets.open_refresh_token(presented);
        let token = token.ok_or(Error::InvalidGrant(GrantRefusal::Malformed))?;
        let settings = self.directory.settings().await?;
        self.check_target_first(client, token, requested).await?;

        let (grant, action) = self.redeem(client, token, &settings, origin).await?;
        let target = self.target(client, (&grant.audiences.0, &grant.scope.0), requested).await?;
        let successor = self.secrets.refresh_token(grant.id, token.generation + 1);
        let subject = Subject::Grant {
            id: grant.id,
            user: grant.user_id,
            until: grant.expires_at,
            refresh_token: Some(&successor),
        };
        self.issue(client, &subject, &target, (grant.status(), Occasion { action, settings: &settings, origin }))
    }

    /// A request for a scope or resource beyond the grant must not use up the token, so what can be refused is looked at
    /// before. The usual request asks for nothing and its APIs are enabled: it needs no look, and costs one statement.
    async fn check_target_first(
        &self,
        client: &Client,
        token: RefreshTokenParts,
        requested: &Requested,
    ) -> Result<(), Error> {
        let mut usual = requested.scope.is_none() && requested.resources.is_empty();
        for audience in &client.audiences.0 {
            let server = self.directory.resource_server(audience).await?;
            usual &= server.is_some_and(|server| server.disabled_at.is_none());
        }
        if usual {
            return Ok(());
        }
        let grant = grants::find(&mut self.store.reading().await?, token.grant).await?;
        if let Some(grant) = grant.filter(|grant| grant.client_id == client.id && grant.is_live(self.clock.now())) {
            self.target(client, (&grant.audiences.0, &grant.scope.0), requested).await?;
        }
        Ok(())
    }

    /// Takes the token's generation, or finds that it was taken a moment ago; answers the grant as it stands, and which of
    /// the two it was, as the audit trail calls it.
    async fn redeem(
        &self,
        client: &Client,
        RefreshTokenParts { grant: id, generation }: RefreshTokenParts,
        settings: &Settings,
        origin: &Origin,
    ) -> Result<(Grant, &'static str), Error> {
        let now = self.clock.now();
        let idle = client.refresh_idle_lifetime.unwrap_or(settings.refresh_idle_lifetime);
        let redemption =
            Redemption { grant: id, client: client.id, generation, now, idle_until: now + Duration::seconds(idle) };
        let mut connection = self.store.writing().await?;
        if let Some(grant) = grants::redeem(&mut connection, redemption).await? {
            return Ok((grant, TOKEN_REFRESH));
        }
        let refused = |why| Err(Error::InvalidGrant(why));
        let Some(grant) = grants::find(&mut connection, id).await? else { return refused(GrantRefusal::Unknown) };
        drop(connection);
        if grant.client_id != client.id {
            return refused(GrantRefusal::OtherClient);
        }
        if grant.revoked_at.is_some() {
            return refused(GrantRefusal::Revoked);
        }
        if !grant.is_live(now) {
            return refused(GrantRefusal::Expired);
        }
        let window = Duration::seconds(settings.retry_window);
        if grant.generation == generation + 1 && grant.rotated_at.is_some_and(|at| now - at < window) {
            self.metrics.refresh_retries.count();
            tracing::info!(grant.id = %grant.id, "a refresh was retried: the same successor again");
            return Ok((grant, TOKEN_RETRY));
        }
        self.metrics.refresh_reuses.count();
        self.end_replayed(client, &grant, (generation, settings), origin).await?;
        refused(GrantRefusal::Replayed)
    }

    /// Commits the end of a replayed grant; the refusal comes after.
    async fn end_replayed(
        &self,
        client: &Client,
        grant: &Grant,
        (generation, settings): (i64, &Settings),
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let moment = Moment { now, retention: settings.retention_at(now) };
        let deed = Deed {
            actor: format!("client:{}", client.client_id),
            action: "refresh_token.replayed",
            target: format!("grant:{}", grant.id),
        };
        let details = json!({
            "user_id": grant.user_id,
            "sub": grant.user_id,
            "client_id": client.client_id,
            "presented_generation": generation,
            "generation": grant.generation,
        });
        let event = self.event(now, deed, details, origin).failed();
        let selection = Selection { grant: Some(grant.id), ..Selection::default() };
        let end = async |connection: &mut Connection| -> Result<(), Error> {
            revoke_grants(connection, &self.entropy, selection, moment, "refresh token replayed").await?;
            audit_events::insert(connection, &event).await?;
            Ok(())
        };
        self.store.transaction(end).await?;
        tracing::warn!(grant.id = %grant.id, client.id = client.client_id, "a used refresh token was presented: grant revoked");
        Ok(())
    }
}

/// Of a grant, by its id.
pub(super) fn only(grant: Uuid) -> Selection {
    Selection { grant: Some(grant), ..Selection::default() }
}
