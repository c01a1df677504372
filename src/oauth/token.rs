//! The token endpoint (RFC 6749 §3.2): authenticate the client, check that it may use the grant type, hand over.

use super::client_authentication::{AuthenticatedClient, PresentedCredentials};
use super::{Error, Origin, Provider};
use crate::protocol::client::GrantType;
use crate::protocol::form::Form;
use crate::protocol::token::{TokenRequest, TokenResponse};
use crate::spans;

impl Provider {
    /// Answers a token request. A failed client authentication consumes nothing.
    pub async fn token(
        &self,
        presented: &PresentedCredentials,
        form: &Form,
        origin: &Origin,
    ) -> Result<TokenResponse, Error> {
        let client = self.authenticate(presented).await?;
        let request = TokenRequest::from_form(form)?;
        self.check_grant_type(&client, request.grant_type())?;
        match request {
            TokenRequest::ClientCredentials(requested) => {
                spans::within("grant client_credentials", self.client_credentials(&client, &requested, origin)).await
            }
            TokenRequest::Password { username, password, requested } => {
                let granted = self.password(&client, (&username, password), &requested, origin);
                spans::within("grant password", granted).await
            }
            TokenRequest::RefreshToken { presented, requested } => {
                let granted = self.refresh_token(&client, &presented, &requested, origin);
                spans::within("grant refresh_token", granted).await
            }
        }
    }

    /// The one place that lets a client use a grant type: what is not listed is refused, and a public client, which
    /// proves nothing, never acts for itself (RFC 6749 §4.4.2).
    fn check_grant_type(&self, client: &AuthenticatedClient, grant_type: GrantType) -> Result<(), Error> {
        let listed = client.client().grant_types.0.contains(&grant_type);
        let allowed = listed && (grant_type != GrantType::ClientCredentials || client.is_confidential());
        if allowed { Ok(()) } else { Err(Error::UnauthorizedClient(grant_type)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a future takes that `Provider::token` makes.
    fn size<'a, F: Future>(_: impl FnOnce(&'a Provider, &'a PresentedCredentials, &'a Form, &'a Origin) -> F) -> usize {
        size_of::<F>()
    }

    /// Hundreds of logins may be waiting for a thread that hashes, and each has room for all that it may come to.
    #[test]
    fn a_login_that_waits_takes_a_few_kilobytes() {
        let taken = size(Provider::token);
        assert!((1024..8 * 1024).contains(&taken), "{taken} bytes");
    }
}
