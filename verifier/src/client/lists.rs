//! The status lists that verified tokens have named, each fetched when first needed and then kept up to date.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Url;

use super::list::List;
use super::{Context, feed};
use crate::{Error, UnixTime};

/// More lists than an issuer has at a time.
const MOST_LISTS: usize = 256;

/// A list that no token has named for so long is no longer kept up to date.
const IDLE: Duration = Duration::from_hours(1);

/// A list, and when it was last of use.
#[derive(Clone)]
struct Entry {
    list: Arc<List>,
    used_at: Arc<AtomicI64>,
}

/// The lists of one issuer.
pub(super) struct ListCache {
    context: Context,
    prefix: String,
    has_feed: bool,
    lists: ArcSwap<HashMap<Box<str>, Entry>>,
    /// Held by who changes the map; readers do not take it.
    changes: Mutex<()>,
}

impl ListCache {
    pub(super) fn new(context: Context, prefix: String, has_feed: bool) -> Self {
        Self { context, prefix, has_feed, lists: ArcSwap::default(), changes: Mutex::new(()) }
    }

    /// The list at this address, which a verified token names.
    pub(super) fn find(&self, uri: &str) -> Result<Arc<List>, Error> {
        let now = self.context.clock.now();
        if let Some(entry) = self.lists.load().get(uri) {
            entry.used_at.store(now.as_secs(), Relaxed);
            return Ok(entry.list.clone());
        }
        let url = self.url(uri).ok_or(Error::ForeignStatusList)?;
        let _changing = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.lists.load_full();
        if let Some(entry) = current.get(uri) {
            return Ok(entry.list.clone());
        }
        let mut lists = HashMap::clone(&current);
        if lists.len() >= MOST_LISTS
            && let Some(oldest) = lists.iter().min_by_key(|(_, entry)| entry.used_at.load(Relaxed))
        {
            let oldest = oldest.0.clone();
            lists.remove(&oldest);
        }
        let list = Arc::new(List::new(self.context.clone(), uri, url));
        if self.has_feed {
            self.context.runtime.spawn(feed::follow(self.context.clone(), Arc::downgrade(&list)));
        }
        let used_at = Arc::new(AtomicI64::new(now.as_secs()));
        lists.insert(uri.into(), Entry { list: list.clone(), used_at });
        self.lists.store(Arc::new(lists));
        Ok(list)
    }

    /// Only what lies below the issuer's prefix, spelled in the one way: no dots that lead out of it, no query.
    fn url(&self, uri: &str) -> Option<Url> {
        if !uri.starts_with(&self.prefix) {
            return None;
        }
        let url: Url = uri.parse().ok()?;
        let is_plain = url.as_str() == uri && url.query().is_none() && url.fragment().is_none();
        is_plain.then_some(url)
    }

    /// Has each list fetched whose time has come, and forgets those that are no longer named.
    pub(super) fn maintain(&self) {
        let now = self.context.clock.now();
        let current = self.lists.load_full();
        let is_idle = |entry: &Entry| {
            let used_at = UnixTime::from_secs(entry.used_at.load(Relaxed));
            now.since(used_at).is_some_and(|age| age > IDLE)
        };
        if current.values().any(is_idle) {
            let _changing = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let mut lists = HashMap::clone(&self.lists.load());
            lists.retain(|_, entry| !is_idle(entry));
            self.lists.store(Arc::new(lists));
        }
        for entry in current.values().filter(|entry| !is_idle(entry)) {
            entry.list.maintain();
        }
    }
}
