//! The client-credentials grant (RFC 6749 §4.4): a client acts for itself. No refresh token (§4.4.3), no write.

use super::client_authentication::AuthenticatedClient;
use super::issue::Subject;
use super::token_events::{Occasion, TOKEN_ISSUE};
use super::{Error, Origin, Provider};
use crate::protocol::token::{Requested, TokenResponse};
use crate::status::Taker;

impl Provider {
    pub(super) async fn client_credentials(
        &self,
        client: &AuthenticatedClient,
        requested: &Requested,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        let client = client.client();
        let target = self.target(client, (&client.audiences.0, &client.scope.0), requested).await?;
        let settings = self.directory.settings().await?;
        // The index is from a block of this key, so this key signs, even if its successor starts in between.
        let (algorithm, kid) = self.signing_kid(&target)?;
        let taker = Taker::Client { client: client.id, algorithm, kid: &kid };
        let mut status = self.statuses.next(taker).await?;
        // An administrator revoked what the client had, and with it the block that this instance hands out from.
        while self.lists.is_revoked(status) {
            self.statuses.discard(taker, status);
            status = self.statuses.next(taker).await?;
        }
        let occasion = Occasion { action: TOKEN_ISSUE, settings: &settings, origin };
        self.issue(client, &Subject::Client { kid }, &target, (status, occasion))
    }
}
