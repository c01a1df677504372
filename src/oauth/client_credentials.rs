//! The client-credentials grant (RFC 6749 §4.4): a client acts for itself. No refresh token (§4.4.3), no write.

use super::client_authentication::AuthenticatedClient;
use super::issue::Subject;
use super::{Error, Provider};
use crate::protocol::token::{Requested, TokenResponse};
use crate::status::Taker;

impl Provider {
    pub(super) async fn client_credentials(
        &self,
        client: &AuthenticatedClient,
        requested: &Requested,
    ) -> Result<TokenResponse, Error> {
        let client = client.client();
        let target = self.target(client, (&client.audiences.0, &client.scope.0), requested).await?;
        let settings = self.directory.settings().await?;
        // The index is from a block of this key, so this key signs, even if its successor starts in between.
        let (algorithm, kid) = self.signing_kid(&target)?;
        let status = self.statuses.next(Taker::Client { client: client.id, algorithm, kid: &kid }).await?;
        self.issue(client, &Subject::Client { kid }, &target, (status, &settings))
    }
}
