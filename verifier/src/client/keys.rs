//! The issuer's key set, as this process has it: found by its metadata (RFC 8414 §3), fetched, and fetched again before
//! it is stale or when a token names a key that is not in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::Url;

use super::flight::Flight;
use super::freshness::{Advice, Freshness};
use super::http::{Fetched, Get};
use super::{Context, FetchError, discovery};
use crate::{Error, KeySet};

/// A key set or a metadata document is a few kilobytes.
const LONGEST_DOCUMENT: usize = 256 * 1024;

/// How many unknown names are remembered, and for how long each.
const UNKNOWN_KIDS: usize = 1024;
const UNKNOWN_FOR: Duration = Duration::from_mins(5);

/// At most one set is fetched in so long because a token names a key that is not known.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// How long a key set is fresh, where its issuer does not say, at least, and at most.
const FRESH: Duration = Duration::from_mins(5);
const FRESH_AT_LEAST: Duration = Duration::from_secs(30);
const FRESH_AT_MOST: Duration = Duration::from_hours(24);

struct Held {
    set: Arc<KeySet>,
    body: Vec<u8>,
    etag: Option<String>,
}

/// The key set of one issuer.
pub(super) struct KeyCache {
    context: Context,
    configured_url: Option<Url>,
    stale_for: Duration,
    held: ArcSwapOption<Held>,
    freshness: Freshness,
    flight: Flight,
    rest: Mutex<Rest>,
}

/// What only those who fetch look at.
#[derive(Default)]
struct Rest {
    discovered_url: Option<Url>,
    error: Option<FetchError>,
    asked_for_unknown_at: Option<crate::UnixTime>,
    unknown: HashMap<String, crate::UnixTime>,
}

impl KeyCache {
    pub(super) fn new(context: Context, configured_url: Option<Url>, stale_for: Duration) -> Self {
        Self {
            context,
            configured_url,
            stale_for,
            held: ArcSwapOption::empty(),
            freshness: Freshness::new(),
            flight: Flight::default(),
            rest: Mutex::default(),
        }
    }

    /// The keys to verify with now.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<KeySet>, Error> {
        match self.freshness.advice(self.context.clock.now()) {
            Advice::Keep => {}
            Advice::Refresh => self.refresh_behind(),
            Advice::Await => {
                if let Some(flight) = self.flight.join(&self.context.runtime, || true, || self.clone().refresh()) {
                    // Its outcome is judged below.
                    let _ = flight.landed().await;
                }
            }
        }
        let staleness = self.freshness.staleness(self.context.clock.now());
        if let Some(held) = self.held.load_full().filter(|_| staleness <= self.stale_for) {
            return Ok(held.set.clone());
        }
        // Nothing usable is held: an attempt that another has begun may bring it.
        if let Some(flight) = self.flight.current()
            && flight.landed().await.is_ok()
            && let Some(held) = self.held.load_full()
        {
            return Ok(held.set.clone());
        }
        let error = self.rest().error.clone();
        Err(Error::KeysUnavailable(error.unwrap_or(FetchError::Aborted).to_string()))
    }

    /// The keys, if this one is among them, if need be after asking the issuer. However many names are made up, it is
    /// asked once in 30 seconds.
    pub(super) async fn with_kid(self: &Arc<Self>, kid: &str) -> Option<Arc<KeySet>> {
        let known = || self.held.load_full().map(|held| held.set.clone()).filter(|set| set.find(kid).is_some());
        if let Some(set) = known() {
            return Some(set);
        }
        let flight = self.flight.join(&self.context.runtime, || self.may_ask_for(kid), || self.clone().refresh())?;
        let landed = flight.landed().await;
        let found = known();
        if found.is_none() && landed.is_ok() {
            self.remember_unknown(kid);
        }
        found
    }

    fn may_ask_for(&self, kid: &str) -> bool {
        let now = self.context.clock.now();
        let is_recent = |at: crate::UnixTime, period| now.since(at).is_some_and(|age| age < period);
        let mut rest = self.rest();
        if rest.unknown.get(kid).is_some_and(|at| is_recent(*at, UNKNOWN_FOR))
            || rest.asked_for_unknown_at.is_some_and(|at| is_recent(at, COOL_DOWN))
        {
            return false;
        }
        rest.asked_for_unknown_at = Some(now);
        true
    }

    fn remember_unknown(&self, kid: &str) {
        let mut rest = self.rest();
        if rest.unknown.len() >= UNKNOWN_KIDS {
            // Any will do: forgetting one costs a fetch at most, and those are rationed.
            let Some(forgotten) = rest.unknown.keys().next().cloned() else { return };
            rest.unknown.remove(&forgotten);
        }
        rest.unknown.insert(kid.to_owned(), self.context.clock.now());
    }

    /// Fetches if it is time to.
    pub(super) fn maintain(self: &Arc<Self>) {
        if self.freshness.advice(self.context.clock.now()) != Advice::Keep {
            self.refresh_behind();
        }
    }

    fn refresh_behind(self: &Arc<Self>) {
        // Nobody waits for it.
        drop(self.flight.join(&self.context.runtime, || true, || self.clone().refresh()));
    }

    async fn refresh(self: Arc<Self>) -> Result<(), FetchError> {
        let outcome = self.fetch().await;
        let now = self.context.clock.now();
        match &outcome {
            Ok(fresh_for) => {
                self.rest().error = None;
                self.freshness.succeeded(now, *fresh_for);
            }
            Err(error) => {
                tracing::warn!(%error, issuer = %self.context.policy.issuer(), "the issuer's keys cannot be fetched");
                // Where they are may have changed.
                let mut rest = self.rest();
                rest.discovered_url = None;
                rest.error = Some(error.clone());
                drop(rest);
                self.freshness.failed(now);
            }
        }
        outcome.map(drop)
    }

    /// Answers for how long the set is fresh.
    async fn fetch(&self) -> Result<Duration, FetchError> {
        let url = self.url().await?;
        let held = self.held.load_full();
        let etag = held.as_ref().and_then(|held| held.etag.as_deref());
        let get = Get {
            url: &url,
            accept: "application/jwk-set+json, application/json",
            etag,
            past_caches: false,
            limit: LONGEST_DOCUMENT,
        };
        let max_age = match self.context.http.get(&get).await? {
            Fetched::Unchanged { max_age } => max_age,
            Fetched::Document { body, etag, max_age } => {
                let set = KeySet::from_json(&body).map_err(|error| FetchError::Unusable(error.to_string()))?;
                if set.keys().is_empty() {
                    return Err(FetchError::Unusable("no key of the set can be used".into()));
                }
                for (kid, error) in set.ignored() {
                    tracing::debug!(kid, %error, "a key of the issuer is passed over");
                }
                if held.is_none_or(|held| held.body != body) {
                    self.rest().unknown.clear();
                }
                self.held.store(Some(Arc::new(Held { set: Arc::new(set), body, etag })));
                max_age
            }
        };
        Ok(max_age.unwrap_or(FRESH).clamp(FRESH_AT_LEAST, FRESH_AT_MOST))
    }

    async fn url(&self) -> Result<Url, FetchError> {
        if let Some(url) = &self.configured_url {
            return Ok(url.clone());
        }
        if let Some(url) = self.rest().discovered_url.clone() {
            return Ok(url);
        }
        let url = discovery::jwks_uri(&self.context, LONGEST_DOCUMENT).await?;
        self.rest().discovered_url = Some(url.clone());
        Ok(url)
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
