//! Client authentication (RFC 6749 §2.3, §3.2.1). Only this file makes an [`AuthenticatedClient`], so nothing that takes
//! one can be reached without it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::error::ClientRefusal;
use super::{Error, KnownClient, Provider};
use crate::protocol::basic::{BasicCredentials, BasicError};
use crate::protocol::client::AuthMethod;
use crate::protocol::form::Form;
use crate::secret::Secret;
use crate::store::clients::Client;

/// What a request presents, by the one method it uses.
#[derive(Debug)]
pub struct PresentedCredentials {
    pub identifier: String,
    secret: Option<Secret>,
    method: AuthMethod,
}

/// A client that has proved who it is, or a public one that said so and may.
#[derive(Clone)]
pub struct AuthenticatedClient(Arc<KnownClient>);

impl AuthenticatedClient {
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    pub fn is_confidential(&self) -> bool {
        is_confidential(self.client())
    }
}

fn is_confidential(client: &Client) -> bool {
    client.token_endpoint_auth_method.as_ref().is_none_or(|method| method.0 != AuthMethod::None)
}

impl PresentedCredentials {
    /// Takes the credentials from the one place they may be in: the header, or the body. Both is an error (RFC 6749
    /// §2.3), and so is a `client_id` in the body that is not the header's.
    pub fn from_request(authorization: Option<&[u8]>, form: &Form) -> Result<Self, Error> {
        let body_id = form.optional("client_id");
        let body_secret = form.optional("client_secret");
        match (authorization, body_id, body_secret) {
            (Some(header), body_id, body_secret) => {
                let basic = BasicCredentials::parse(header).map_err(|error| match error {
                    BasicError::Scheme => Error::InvalidClient(ClientRefusal::Absent),
                    BasicError::Malformed => Error::InvalidClient(ClientRefusal::Malformed),
                })?;
                if body_secret.is_some() {
                    return Err(Error::InvalidRequest("two client authentication methods in one request"));
                }
                if body_id.is_some_and(|id| id != basic.client_id) {
                    return Err(Error::InvalidRequest("client_id differs from the one in the Authorization header"));
                }
                Ok(Self {
                    identifier: basic.client_id,
                    secret: Some(basic.client_secret),
                    method: AuthMethod::ClientSecretBasic,
                })
            }
            (None, Some(id), Some(secret)) => Ok(Self {
                identifier: id.to_owned(),
                secret: Some(Secret::new(secret)),
                method: AuthMethod::ClientSecretPost,
            }),
            (None, Some(id), None) => Ok(Self { identifier: id.to_owned(), secret: None, method: AuthMethod::None }),
            (None, None, _) => Err(Error::InvalidClient(ClientRefusal::Absent)),
        }
    }

    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }
}

impl Provider {
    /// A client is believed from memory, but refused on the database's word alone: an unknown client and a wrong secret
    /// then take the same time, and a secret that was made a moment ago is not refused.
    pub async fn authenticate(&self, presented: &PresentedCredentials) -> Result<AuthenticatedClient, Error> {
        if let Some(client) = self.authenticate_from_memory(presented) {
            return Ok(client);
        }
        let now = self.clock.now();
        let known = self.directory.read_client(&presented.identifier).await?;
        let known = known.ok_or(Error::InvalidClient(ClientRefusal::Unknown))?;
        presented.check(&known, now).map_err(Error::InvalidClient)?;
        Ok(AuthenticatedClient(known))
    }

    /// The half of [`authenticate`](Self::authenticate) that needs no database, and refuses nobody.
    pub(super) fn authenticate_from_memory(&self, presented: &PresentedCredentials) -> Option<AuthenticatedClient> {
        let known = self.directory.remembered_client(&presented.identifier)?;
        presented.check(&known, self.clock.now()).ok()?;
        Some(AuthenticatedClient(known))
    }
}

impl PresentedCredentials {
    fn check(&self, known: &KnownClient, now: DateTime<Utc>) -> Result<(), ClientRefusal> {
        // An empty secret is none: some libraries send Basic with an empty password for a public client.
        let secret = self.secret.as_ref().filter(|secret| !secret.expose().is_empty());
        match (is_confidential(&known.client), secret) {
            (true, None) | (false, Some(_)) => return Err(ClientRefusal::Method),
            (true, Some(secret)) => {
                if !known.has_secret(secret, now) {
                    return Err(ClientRefusal::WrongSecret);
                }
                let registered = known.client.token_endpoint_auth_method.as_ref();
                if registered.is_some_and(|method| method.0 != self.method) {
                    return Err(ClientRefusal::Method);
                }
            }
            (false, None) => {}
        }
        if known.client.disabled_at.is_some() { Err(ClientRefusal::Disabled) } else { Ok(()) }
    }
}
