//! Token revocation (RFC 7009). A refresh token or an access token of a user takes its whole grant along; a token that a
//! client took for itself goes alone.

use super::client_authentication::PresentedCredentials;
use super::refresh_token::only;
use super::{Error, Provider};
use crate::protocol::form::Form;
use crate::secret::Secret;
use crate::status::{Moment, StatusIndex, revoke_grants, revoke_token};
use crate::store::{Connection, grants};

/// What a presented token leads to.
enum Revocable {
    Grant(uuid::Uuid),
    Token(StatusIndex),
}

impl Provider {
    /// Revokes the presented token, if it is the client's own. Unknown, foreign and expired tokens are no error (RFC 7009
    /// §2.2): the client's aim is met.
    pub async fn revoke(&self, presented: &PresentedCredentials, form: &Form) -> Result<(), Error> {
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
                None => self.status_of(&claims).map(Revocable::Token),
            })
        };
        let now = self.clock.now();
        let settings = self.directory.settings().await?;
        let moment = Moment { now, retention: settings.retention_at(now) };
        let carried_out = async |connection: &mut Connection| -> Result<(), Error> {
            match revocable {
                Some(Revocable::Grant(id)) => {
                    let own = grants::find(connection, id).await?.filter(|grant| grant.client_id == client.id);
                    if own.is_some() {
                        revoke_grants(connection, &self.entropy, only(id), moment, "revoked by its client").await?;
                    }
                }
                Some(Revocable::Token(status)) => revoke_token(connection, &self.entropy, status, moment).await?,
                None => {}
            }
            Ok(())
        };
        self.store.transaction(carried_out).await
    }
}
