//! The status lists as this instance publishes them: bits in memory, and one signed document a list, made when a bit or
//! the signing key changed or the document grows old, never for a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::bits::Bits;
use crate::clock::Clock;
use crate::keys::{Keys, SignError, Typ};
use crate::protocol::issuer::Issuer;
use crate::protocol::jwk::Algorithm;
use crate::protocol::status_list::StatusListClaims;
use crate::store::revisions::{self, Topic};
use crate::store::status::{self, StatusList};
use crate::store::{Error, Store};

/// How long a verifier may keep a list: the age at which an API that checks lists alone learns of a revocation, in
/// seconds.
pub const TTL: i64 = 60;

/// How long a document is valid, and the age at which it is made anew although nothing changed.
const LIFETIME: Duration = Duration::hours(1);
const RENEWAL: Duration = Duration::minutes(10);

/// Revocations are read again from so long before the last reading: the clocks of two instances may differ, and a
/// transaction that began earlier may commit later.
const OVERLAP: Duration = Duration::minutes(15);

/// A signed list.
#[derive(Debug)]
pub struct ListDocument {
    pub token: String,
    /// Quoted, as the header has it.
    pub etag: String,
    kid: String,
    made_at: DateTime<Utc>,
}

/// Why a list is not there to be served.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("there is no active key to sign status lists with")]
    NoKey,
}

struct List {
    bits: Bits,
    /// Counts the changes of the bits.
    version: u64,
    document: Option<(u64, Arc<ListDocument>)>,
}

/// Every list of the issuer.
pub struct Published {
    store: Store,
    clock: Clock,
    keys: Arc<Keys>,
    issuer: Issuer,
    lists: Mutex<BTreeMap<i64, List>>,
    /// The revision of revocations that the bits were read at, and when.
    revision: AtomicI64,
    read_at: Mutex<Option<DateTime<Utc>>>,
}

/// The path of a list below the issuer.
pub fn path(list: i64) -> String {
    format!("/status-lists/{list}")
}

impl Published {
    pub fn new(store: Store, clock: Clock, keys: Arc<Keys>, issuer: Issuer) -> Self {
        let (lists, read_at) = (Mutex::default(), Mutex::default());
        Self { store, clock, keys, issuer, lists, revision: AtomicI64::new(-1), read_at }
    }

    pub fn is_behind(&self, revision: i64) -> bool {
        self.revision.load(Ordering::Acquire) != revision
    }

    /// Reads what was revoked since the last reading. Reading something twice does no harm: bits are only ever set.
    pub async fn reload(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let since = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = self.store.reading().await?;
        // Read first: a change that comes between is then read again, and never missed.
        let revision = revisions::current(&mut connection).await?.get(Topic::Revocations.as_str()).copied();
        let known = status::lists(&mut connection).await?;
        let since = since.map_or(DateTime::UNIX_EPOCH, |at| at - OVERLAP);
        let revoked = status::revocations_since(&mut connection, since, now).await?;
        drop(connection);
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        for list in known {
            lists.entry(list.id).or_insert_with(|| List::new(&list));
        }
        for range in revoked {
            if let Some(list) = lists.get_mut(&range.status_list_id)
                && list.bits.set(range.first_index, range.last_index)
            {
                list.version += 1;
            }
        }
        drop(lists);
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.revision.store(revision.unwrap_or(-1), Ordering::Release);
        Ok(())
    }

    /// The document of a list, or `None` where there is no such list. Signs only when the one at hand is out of date.
    pub async fn document(&self, id: i64) -> Result<Option<Arc<ListDocument>>, PublishError> {
        if !self.lists.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id) {
            // A list that another instance opened since the last reading.
            let Some(list) = status::find_list(&mut self.store.reading().await?, id).await? else { return Ok(None) };
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            lists.entry(id).or_insert_with(|| List::new(&list));
        }
        let now = self.clock.now();
        let ring = self.keys.ring();
        let key = ring.signing_key(Algorithm::ES256, now).ok_or(PublishError::NoKey)?;
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(list) = lists.get_mut(&id) else { return Ok(None) };
        if let Some((version, document)) = &list.document {
            let age = now - document.made_at;
            if *version == list.version && document.kid == key.kid() && (Duration::zero()..RENEWAL).contains(&age) {
                return Ok(Some(document.clone()));
            }
        }
        let claims = StatusListClaims {
            sub: self.issuer.url(&path(id)),
            iat: now.timestamp(),
            exp: (now + LIFETIME).timestamp(),
            ttl: TTL,
            status_list: list.bits.compress(),
        };
        let token = key.sign_jwt(Typ::StatusList, &claims)?;
        let etag = format!("\"{}-{}-{}\"", claims.iat, list.version, key.kid());
        let document = Arc::new(ListDocument { token, etag, kid: key.kid().to_owned(), made_at: now });
        list.document = Some((list.version, document.clone()));
        Ok(Some(document))
    }

    /// The addresses of all lists.
    pub async fn addresses(&self) -> Result<Vec<String>, Error> {
        let lists = status::lists(&mut self.store.reading().await?).await?;
        Ok(lists.iter().map(|list| self.issuer.url(&path(list.id))).collect())
    }
}

impl List {
    fn new(list: &StatusList) -> Self {
        Self { bits: Bits::new(list.size), version: 0, document: None }
    }
}
