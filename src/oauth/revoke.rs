//! Token revocation (RFC 7009). A refresh token or an access token of a user takes its whole grant along; a token that a
//! client took for itself goes alone.

use serde_json::json;
use uuid::Uuid;

use super::audit::Deed;
use super::client_authentication::PresentedCredentials;
use super::refresh_token::only;
use super::{Error, Origin, Provider};
use crate::protocol::form::Form;
use crate::secret::Secret;
use crate::status::{Moment, StatusIndex, revoke_grants, revoke_token};
use crate::store::{Connection, audit_events, grants};

/// What a presented token leads to.
enum Revocable {
    Grant(Uuid),
    /// One that the client took for itself, and its `jti`.
    Token(StatusIndex, Uuid),
}

impl Provider {
    /// Revokes the presented token, if it is the client's own. Unknown, foreign and expired tokens are no error (RFC 7009
    /// §2.2): the client's aim is met.
    pub async fn revoke(&self, presented: &PresentedCredentials, form: &Form, origin: &Origin) -> Result<(), Error> {
        let client = self.authenticate(presented).await?;
        let client = client.client();
        let token = Secret::new(form.required("token")?);
        let revocable = if let Some(parts) = self.secrets.open_refresh_token(&token) {
            Some(Revocable::Grant(parts.grant))
        } else {
            let claims = self.verify_access_token(token.expose()).ok();
            let own = claims.filter(|claims| claims.client_id == client.client_id);
            own.and_then(|claims| match claims.grant_id {
                Some(grant) => Some(Revocable::Grant(grant)),
                None => self.status_of(&claims).map(|status| Revocable::Token(status, claims.jti)),
            })
        };
        let now = self.clock.now();
        let settings = self.directory.settings().await?;
        let moment = Moment { now, retention: settings.retention_at(now) };
        let actor = format!("client:{}", client.client_id);
        let carried_out = async |connection: &mut Connection| -> Result<(), Error> {
            let (action, target, details) = match revocable {
                Some(Revocable::Grant(id)) => {
                    let own = grants::find(connection, id).await?.filter(|grant| grant.client_id == client.id);
                    let Some(grant) = own else { return Ok(()) };
                    let reason = "revoked by its client";
                    let revoked = revoke_grants(connection, &self.entropy, only(id), moment, reason).await?;
                    if revoked == 0 {
                        return Ok(());
                    }
                    let details = json!({
                        "sub": grant.user_id,
                        "client_id": client.client_id,
                        "grants_revoked": revoked,
                        "initiating_entity": "user",
                    });
                    ("grant.revoke", format!("grant:{id}"), details)
                }
                Some(Revocable::Token(status, jti)) => {
                    if !revoke_token(connection, &self.entropy, status, moment).await? {
                        return Ok(());
                    }
                    ("token.revoke", actor.clone(), json!({ "jti": jti, "grants_revoked": 0 }))
                }
                None => return Ok(()),
            };
            let deed = Deed { actor, action, target };
            audit_events::insert(connection, &self.event(now, deed, details, origin)).await?;
            Ok(())
        };
        self.store.transaction(carried_out).await
    }
}
