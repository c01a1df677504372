//! The rules of the authorization server: who the client is, what it may have, and the tokens it gets. One file a grant
//! type. Nothing here knows HTTP or SQL.

pub mod access_token;
mod activation;
mod audit;
pub mod client_authentication;
mod client_credentials;
mod directory;
mod error;
pub mod introspect;
mod issue;
pub mod key_set_fetches;
mod login;
mod login_events;
mod login_throttle;
mod own_password;
mod password;
mod password_grant_uses;
pub mod presence;
pub mod purge;
mod refresh_token;
pub mod revoke;
mod target;
pub mod token;
pub mod token_events;

use std::net::IpAddr;
use std::sync::Arc;

pub use directory::{Directory, KnownClient};
pub use error::{ClientRefusal, Error, GrantRefusal};
pub use key_set_fetches::{KeySetFetches, PresentedVerifier};
pub use password_grant_uses::PasswordGrantUses;
pub use presence::Presence;
pub use token_events::TokenEvents;

use crate::audit::Trail;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::{IssuerSecrets, Keys};
use crate::metrics::Metrics;
use crate::protocol::issuer::Issuer;
use crate::status::{Allocator, Published};
use crate::store::Store;
use crate::store::audit_events::Author;
use crate::store::revisions::{self, Topic};

/// Everything a running issuer holds.
pub struct Provider {
    pub issuer: Issuer,
    pub store: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keys: Arc<Keys>,
    pub secrets: IssuerSecrets,
    pub directory: Directory,
    pub statuses: Allocator,
    pub lists: Published,
    pub passwords: Arc<crate::password::Pool>,
    pub key_set_fetches: KeySetFetches,
    pub password_grant_uses: PasswordGrantUses,
    pub token_events: TokenEvents,
    pub metrics: Metrics,
}

/// Where a request comes from. Only what a password login may do depends on it: how often, and for which clients. Of other
/// requests it is recorded.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub address: Option<IpAddr>,
    pub request_id: Option<String>,
    /// Whether it is still waited for.
    pub presence: Presence,
}

impl Origin {
    /// Whoever asks from there, as the audit trail has it.
    pub fn author(&self, actor: impl Into<String>) -> Author {
        let address = self.address.map(|address| address.to_string());
        Author { actor: actor.into(), address, request_id: self.request_id.clone() }
    }
}

impl Provider {
    /// Sees to it that what is in memory is not older than the bound: asks the database where it has not been confirmed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn confirm(&self) -> Result<(), Error> {
        if self.directory.is_confirmed() {
            return Ok(());
        }
        self.synchronise().await.map_err(Error::from)
    }

    /// The audit trail, to be sealed.
    pub fn audit_trail(&self) -> Trail<'_> {
        Trail { store: &self.store, keys: &self.keys, clock: &self.clock, issuer: &self.issuer }
    }

    /// Compares the revision counters with what this instance holds, and lets go of what is stale. While this succeeds
    /// at least every two seconds, nothing older than that is answered from memory.
    pub async fn synchronise(&self) -> Result<(), crate::keys::KeysError> {
        let asked_at = std::time::Instant::now();
        let mut connection = self.store.reading().await?;
        let current = revisions::current(&mut connection).await?;
        drop(connection);
        let of = |topic: Topic| current.get(topic.as_str()).copied().unwrap_or_default();
        if self.keys.is_behind(of(Topic::Keys)) {
            self.keys.reload().await?;
        }
        if self.lists.is_behind(of(Topic::Revocations)) {
            self.lists.reload().await?;
        }
        self.directory.confirm(of(Topic::Configuration), asked_at);
        Ok(())
    }
}
