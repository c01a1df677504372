//! How many of what there is, for dashboards and for whoever plans the disk.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, Error};
use crate::keys::State;
use crate::oauth::purge::{Purge, Purged};
use crate::store::grants::{self, Selection};
use crate::store::{clients, resource_servers, status, users};

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Statistics {
    pub users: i64,
    pub clients: i64,
    pub resource_servers: i64,
    /// Grants that are not revoked: the live ones, and those that expired and are not purged yet.
    pub grants: i64,
    /// Ranges of status-list indexes that are revoked and not expired.
    pub revocations: i64,
    /// Keys that sign, each by an algorithm of its own.
    pub signing_keys: usize,
    /// Keys in the JWKS that do not sign yet.
    pub published_keys: usize,
    /// Passwords that wait for a thread to be hashed on, at this instance.
    pub password_queue: usize,
}

impl Admin {
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        let now = self.clock.now();
        let ring = self.keys.ring();
        let keys = |wanted: State| ring.keys().iter().filter(|key| key.state(now) == wanted).count();
        let mut connection = self.store.reading().await?;
        Ok(Statistics {
            users: users::count(&mut connection).await?,
            clients: clients::count(&mut connection).await?,
            resource_servers: resource_servers::count(&mut connection).await?,
            grants: grants::count_unrevoked(&mut connection, Selection::default()).await?,
            revocations: status::count_revocations(&mut connection).await?,
            signing_keys: keys(State::Signing),
            published_keys: keys(State::Published),
            password_queue: self.passwords.waiting(),
        })
    }

    /// Removes all that may be removed now.
    pub async fn purge(&self) -> Result<Purged, Error> {
        Ok(Purge::new(self.store.clone(), self.clock.clone(), self.entropy.clone()).everything().await?)
    }
}
