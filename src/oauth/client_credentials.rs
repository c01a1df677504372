//! The client-credentials grant (RFC 6749 §4.4): a client acts for itself. No refresh token (§4.4.3), no write.

use super::client_authentication::AuthenticatedClient;
use super::issue::Subject;
use super::{Error, Provider};
use crate::protocol::token::{Requested, TokenResponse};

impl Provider {
    pub(super) async fn client_credentials(
        &self,
        client: &AuthenticatedClient,
        requested: &Requested,
    ) -> Result<TokenResponse, Error> {
        let client = client.client();
        let target = self.target(client, (&client.audiences.0, &client.scope.0), requested).await?;
        let settings = self.directory.settings().await?;
        let status = self.statuses.next(Some(client.id)).await?;
        self.issue(client, &Subject::Client, &target, (status, &settings))
    }
}
