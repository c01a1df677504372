//! Clients, resource servers and settings, kept in memory so that a request need not read them.
//!
//! A copy is used only while the database has confirmed, within [`BOUND`], that nothing changed. Without that
//! confirmation every look-up goes to the database, and fails with it: nobody is served from a state of unknown age.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::secret::{Secret, SecretHash};
use crate::store::clients::{self, Client};
use crate::store::resource_servers::{self, ResourceServer};
use crate::store::settings::{self, Settings};
use crate::store::{Connection, Error, Store};

/// The age of the oldest state that is answered from memory.
pub const BOUND: Duration = Duration::from_secs(2);

/// Most entries kept of one kind; beyond it the copies are dropped and gathered anew.
const CAPACITY: usize = 100_000;

/// A client with its secrets.
pub struct KnownClient {
    pub client: Client,
    secrets: Vec<(SecretHash, Option<DateTime<Utc>>)>,
}

impl KnownClient {
    /// Whether one of its live secrets is the presented one. Compares all of them, each in constant time.
    pub fn has_secret(&self, presented: &Secret, now: DateTime<Utc>) -> bool {
        self.secrets.iter().fold(false, |found, (hash, expires_at)| {
            let live = expires_at.is_none_or(|end| now < end);
            (hash.matches(presented) & live) | found
        })
    }
}

pub struct Directory {
    store: Store,
    copies: RwLock<Copies>,
}

/// What has been read since the configuration last changed.
#[derive(Default)]
struct Copies {
    revision: Option<i64>,
    confirmed_at: Option<Instant>,
    clients: HashMap<String, Arc<KnownClient>>,
    servers: HashMap<String, Arc<ResourceServer>>,
    settings: Option<Settings>,
}

impl Copies {
    /// The revision that what is read now belongs to; `None` while nothing may be kept.
    fn fresh(&self) -> Option<i64> {
        self.revision.filter(|_| self.confirmed_at.is_some_and(|at| at.elapsed() < BOUND))
    }
}

impl Directory {
    pub fn new(store: Store) -> Self {
        Self { store, copies: RwLock::default() }
    }

    /// The database said, asked at `asked_at`, that the configuration stands at `revision`.
    pub fn confirm(&self, revision: i64, asked_at: Instant) {
        let mut copies = self.copies.write().unwrap_or_else(PoisonError::into_inner);
        if copies.revision != Some(revision) {
            *copies = Copies { revision: Some(revision), ..Copies::default() };
        }
        copies.confirmed_at = copies.confirmed_at.max(Some(asked_at));
    }

    /// Whether look-ups are answered from memory.
    pub fn is_confirmed(&self) -> bool {
        self.read(|copies| copies.fresh()).is_some()
    }

    /// How long ago the database last confirmed what is held here; `None` before it ever did.
    pub fn confirmed_for(&self) -> Option<Duration> {
        self.read(|copies| copies.confirmed_at).map(|at| at.elapsed())
    }

    pub async fn client(&self, client_id: &str) -> Result<Option<Arc<KnownClient>>, Error> {
        match self.remembered_client(client_id) {
            Some(known) => Ok(Some(known)),
            None => self.read_client(client_id).await,
        }
    }

    /// The client, if it can be answered from memory.
    pub fn remembered_client(&self, client_id: &str) -> Option<Arc<KnownClient>> {
        self.read(|copies| copies.fresh().and_then(|_| copies.clients.get(client_id).cloned()))
    }

    /// The client as the database has it now. It takes as many statements to find none.
    pub async fn read_client(&self, client_id: &str) -> Result<Option<Arc<KnownClient>>, Error> {
        let fresh = self.read(Copies::fresh);
        let mut connection = self.store.reading().await?;
        let found = clients::find(&mut connection, client_id).await?;
        self.remember_client(&mut connection, fresh, found).await
    }

    pub async fn resource_server(&self, audience: &str) -> Result<Option<Arc<ResourceServer>>, Error> {
        let (fresh, known) = self.read(|copies| (copies.fresh(), copies.servers.get(audience).cloned()));
        if fresh.is_some() && known.is_some() {
            return Ok(known);
        }
        let mut connection = self.store.reading().await?;
        let Some(server) = resource_servers::find(&mut connection, audience).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.keep(fresh, |copies| {
            if copies.servers.len() >= CAPACITY {
                copies.servers.clear();
            }
            copies.servers.insert(audience.to_owned(), server.clone());
        });
        Ok(Some(server))
    }

    pub async fn settings(&self) -> Result<Settings, Error> {
        let (fresh, known) = self.read(|copies| (copies.fresh(), copies.settings));
        if let (Some(_), Some(settings)) = (fresh, known) {
            return Ok(settings);
        }
        let settings = settings::load(&mut self.store.reading().await?).await?;
        self.keep(fresh, |copies| copies.settings = Some(settings));
        Ok(settings)
    }

    async fn remember_client(
        &self,
        connection: &mut Connection,
        fresh: Option<i64>,
        found: Option<Client>,
    ) -> Result<Option<Arc<KnownClient>>, Error> {
        let secrets =
            clients::secrets(connection, found.as_ref().map_or(uuid::Uuid::nil(), |client| client.id)).await?;
        let Some(client) = found else { return Ok(None) };
        let secrets =
            secrets.into_iter().map(|row| (SecretHash::from_stored(row.secret_hash), row.expires_at)).collect();
        let known = Arc::new(KnownClient { client, secrets });
        self.keep(fresh, |copies| {
            if copies.clients.len() >= CAPACITY {
                copies.clients.clear();
            }
            copies.clients.insert(known.client.client_id.clone(), known.clone());
        });
        Ok(Some(known))
    }

    fn read<T>(&self, look: impl FnOnce(&Copies) -> T) -> T {
        look(&self.copies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what was read, unless the configuration changed since `fresh`: it could be from before the change.
    fn keep(&self, fresh: Option<i64>, store: impl FnOnce(&mut Copies)) {
        let mut copies = self.copies.write().unwrap_or_else(PoisonError::into_inner);
        if fresh.is_some() && copies.revision == fresh {
            store(&mut copies);
        }
    }
}
