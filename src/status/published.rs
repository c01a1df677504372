//! The status lists as this instance publishes them: bits in memory, and one signed document a list, made when a bit or
//! the signing key changed or the document grows old, never for a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chrono::{DateTime, Duration, Utc};
use tokio::sync::broadcast::Receiver;

use super::StatusIndex;
use super::bits::{self, Bits};
use super::feed::{Beginning, Change, Feed, MOST_RANGES, Recent, is_settled};
use crate::clock::Clock;
use crate::keys::{Keys, SignError, Typ};
use crate::metrics::{Bounds, Histogram};
use crate::protocol::issuer::Issuer;
use crate::protocol::jwk::Algorithm;
use crate::protocol::status_list::StatusListClaims;
use crate::store::revisions::{self, Topic};
use crate::store::status::{self, Revocation, StatusList};
use crate::store::{Error, Store};

/// How long a verifier may keep a list: the age at which an API that checks lists alone learns of a revocation, in
/// seconds.
pub const TTL: i64 = 60;

/// How long a document is valid, and the age at which it is made anew although nothing changed.
const LIFETIME: Duration = Duration::hours(1);
const RENEWAL: Duration = Duration::minutes(10);

/// A list that changes all the time is not signed more often than this apart.
const PACE: Duration = Duration::milliseconds(250);

/// Revisions that are read again: a database that lost its newest writes (a failover to an asynchronous standby) counts them
/// a second time.
const OVERLAP: i64 = 1000;

/// A signed list.
#[derive(Debug)]
pub struct ListDocument {
    pub token: String,
    /// The same, compressed by gzip.
    pub gzip: Vec<u8>,
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
    feed: Feed,
    recent: Recent,
}

/// Every list of the issuer.
pub struct Published {
    store: Store,
    clock: Clock,
    keys: Arc<Keys>,
    issuer: Issuer,
    lists: Mutex<BTreeMap<i64, List>>,
    /// The revision of revocations that the bits were read at.
    revision: AtomicI64,
    /// When they were read first.
    read_at: OnceLock<DateTime<Utc>>,
    /// How long after a revocation this instance knew of it, of those since its first reading.
    pub learning: Histogram,
}

/// For what a notice brings in milliseconds, and a poll within its interval.
const LEARNING: Bounds = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// The path of a list below the issuer.
pub fn path(list: i64) -> String {
    format!("/status-lists/{list}")
}

impl Published {
    pub fn new(store: Store, clock: Clock, keys: Arc<Keys>, issuer: Issuer) -> Self {
        let (revision, learning) = (AtomicI64::new(-1), Histogram::new(LEARNING));
        Self { store, clock, keys, issuer, lists: Mutex::default(), revision, read_at: OnceLock::new(), learning }
    }

    pub fn is_behind(&self, revision: i64) -> bool {
        self.revision.load(Ordering::Acquire) != revision
    }

    /// Reads what was revoked since the last reading. Reading something twice does no harm: bits are only ever set.
    pub async fn reload(&self) -> Result<(), Error> {
        let mut connection = self.store.reading().await?;
        // Read first: a change that comes between is then read again, and never missed.
        let current = revisions::current(&mut connection).await?;
        let revision = current.get(Topic::Revocations.as_str()).copied().unwrap_or_default();
        let held = self.revision.load(Ordering::Acquire);
        let known = status::lists(&mut connection).await?;
        // Everything, when the counter has gone back: it is another database, or an older state of this one.
        let behind = if revision < held { -1 } else { held - OVERLAP };
        let now = self.clock.now();
        self.know(known);
        let mut changes: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        let changed = |Revocation { status_list_id, first_index, last_index, revoked_at, .. }| {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(list) = lists.get_mut(&status_list_id) else { return };
            if list.bits.set(first_index, last_index) {
                changes.entry(status_list_id).or_default().push((first_index, last_index));
                if held >= 0 {
                    list.recent.learn(now, (first_index, last_index));
                    // Of another instance, whose clock may be ahead.
                    self.learning.observe((self.clock.now() - revoked_at).to_std().unwrap_or_default());
                }
            }
        };
        let outcome = status::revocations_behind(&mut connection, (behind, now), changed).await;
        drop(connection);
        // After a failure part of it has come: it is told, as nothing new of what is known.
        let revision = if outcome.is_ok() { revision } else { held };
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, revoked) in changes {
            if let Some(list) = lists.get_mut(&id) {
                list.version += 1;
                list.feed.tell(Change { revision, revoked });
            }
        }
        drop(lists);
        self.revision.store(revision, Ordering::Release);
        outcome?;
        self.read_at.get_or_init(|| now);
        Ok(())
    }

    /// Takes in what lists there are.
    fn know(&self, known: Vec<StatusList>) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that were purged. One that was opened since `known` was read stays.
        let newest = known.last().map_or(0, |list| list.id);
        lists.retain(|id, _| *id > newest || known.iter().any(|list| list.id == *id));
        for list in known {
            lists.entry(list.id).or_insert_with(|| List::new(&list));
        }
    }

    /// The document of a list, or `None` where there is no such list. Signs only when the one at hand is out of date.
    pub async fn document(&self, id: i64) -> Result<Option<Arc<ListDocument>>, PublishError> {
        if !self.has(id).await? {
            return Ok(None);
        }
        let now = self.clock.now();
        let ring = self.keys.ring();
        let key = ring.signing_key(Algorithm::ES256, now).ok_or(PublishError::NoKey)?;
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(list) = lists.get_mut(&id) else { return Ok(None) };
        if let Some((version, document)) = &list.document {
            let lasts = if *version == list.version { RENEWAL } else { PACE };
            if document.kid == key.kid() && (Duration::zero()..lasts).contains(&(now - document.made_at)) {
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
        let gzip = bits::gzip(token.as_bytes());
        let document = Arc::new(ListDocument { token, gzip, etag, kid: key.kid().to_owned(), made_at: now });
        list.document = Some((list.version, document.clone()));
        Ok(Some(document))
    }

    /// Whether an index is revoked, as far as this instance knows.
    pub fn is_revoked(&self, StatusIndex { list, index }: StatusIndex) -> bool {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&list).is_some_and(|list| list.bits.is_set(index))
    }

    /// Whether there is such a list; one that another instance opened since the last reading is remembered.
    async fn has(&self, id: i64) -> Result<bool, Error> {
        if self.lists.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id) {
            return Ok(true);
        }
        let Some(list) = status::find_list(&mut self.store.reading().await?, id).await? else { return Ok(false) };
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.entry(id).or_insert_with(|| List::new(&list));
        Ok(true)
    }

    /// Listens for changes of a list, as one that knows it up to the revision `known`. `None` where there is no such list.
    pub async fn listen(
        &self,
        id: i64,
        known: Option<i64>,
    ) -> Result<Option<(Beginning, Receiver<Arc<Change>>)>, Error> {
        if !self.has(id).await? {
            return Ok(None);
        }
        let now = self.clock.now();
        let begun = {
            let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            lists.get(&id).map(|list| (list.feed.listen(), list.recent.unsettled(now)))
        };
        let Some((changes, (recent, is_all))) = begun else { return Ok(None) };
        // Asked after listening has begun: what comes meanwhile is told twice, and nothing is missed.
        let mut connection = self.store.reading().await?;
        let current = revisions::current(&mut connection).await?;
        let revision = current.get(Topic::Revocations.as_str()).copied().unwrap_or_default();
        // What was read at the start is not among what was learned, and may be as new.
        let is_all = is_all && self.read_at.get().is_some_and(|read_at| is_settled(*read_at, now));
        let fetch = Beginning::Fetch { revision, recent, is_all };
        let Some(known) = known.filter(|known| (0..=revision).contains(known)) else {
            return Ok(Some((fetch, changes)));
        };
        let one_too_many = i64::try_from(MOST_RANGES).unwrap_or(i64::MAX - 1) + 1;
        let missed = status::revocations_of(&mut connection, id, known, one_too_many).await?;
        if missed.len() > MOST_RANGES {
            return Ok(Some((fetch, changes)));
        }
        let revoked = missed.iter().map(|range| (range.first_index, range.last_index)).collect();
        Ok(Some((Beginning::Missed(Change { revision, revoked }), changes)))
    }

    /// The addresses of all lists.
    pub async fn addresses(&self) -> Result<Vec<String>, Error> {
        let lists = status::lists(&mut self.store.reading().await?).await?;
        Ok(lists.iter().map(|list| self.issuer.url(&path(list.id))).collect())
    }
}

impl List {
    fn new(list: &StatusList) -> Self {
        Self { bits: Bits::new(list.size), version: 0, document: None, feed: Feed::new(), recent: Recent::default() }
    }
}
