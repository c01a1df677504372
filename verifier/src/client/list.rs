//! One status list as this process has it: the last one that was verified, with the changes that were pushed since.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::Url;

use super::flight::Flight;
use super::freshness::{Advice, Freshness};
use super::http::{Fetched, Get};
use super::{Context, FetchError};
use crate::{StatusList, StatusUnavailable, UnixTime};

/// How long a list is fresh, where its issuer does not say, at least, and at most.
const FRESH: Duration = Duration::from_mins(1);
const FRESH_AT_LEAST: Duration = Duration::from_secs(5);
const FRESH_AT_MOST: Duration = Duration::from_hours(1);

/// A document that was issued less than so long after a change was pushed may have been made before it: clocks differ.
const SKEW: Duration = Duration::from_mins(1);

/// The most pushed changes that are remembered. By then a document has them.
const MOST_CHANGES: usize = 1 << 16;

/// One list.
pub(super) struct List {
    context: Context,
    uri: Box<str>,
    url: Url,
    list: ArcSwapOption<StatusList>,
    freshness: Freshness,
    flight: Flight,
    /// Whether changes are pushed, so that nothing has to be asked for.
    is_followed: AtomicBool,
    rest: Mutex<Rest>,
}

/// What only those who fetch look at.
#[derive(Default)]
struct Rest {
    etag: Option<String>,
    error: Option<FetchError>,
    pushed: VecDeque<(UnixTime, RangeInclusive<u64>)>,
}

impl List {
    pub(super) fn new(context: Context, uri: &str, url: Url) -> Self {
        Self {
            context,
            uri: uri.into(),
            url,
            list: ArcSwapOption::empty(),
            freshness: Freshness::new(),
            flight: Flight::default(),
            is_followed: AtomicBool::new(false),
            rest: Mutex::default(),
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The entries to go by now. Whether they may still be believed is for the policy to judge.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<StatusList>, StatusUnavailable> {
        let now = self.context.clock.now();
        match self.freshness.advice(now) {
            Advice::Keep => {}
            Advice::Refresh => self.refresh_behind(),
            Advice::Await => {
                if let Some(flight) = self.flight.join(&self.context.runtime, || true, || self.clone().refresh(false)) {
                    // Its outcome is judged below.
                    let _ = flight.landed().await;
                }
            }
        }
        let held = self.list.load_full();
        if let Some(list) = held.as_ref().filter(|list| list.is_usable(now)) {
            return Ok(list.clone());
        }
        // Nothing usable is held: an attempt that another has begun may bring it.
        if let Some(flight) = self.flight.current()
            && flight.landed().await.is_ok()
            && let Some(list) = self.list.load_full()
        {
            return Ok(list);
        }
        let error = self.rest().error.clone();
        match (error, held) {
            (Some(error), _) => Err(StatusUnavailable::Fetch(error.to_string())),
            (None, Some(_)) => Err(StatusUnavailable::Expired),
            (None, None) => Err(StatusUnavailable::Missing),
        }
    }

    /// Fetches if it is time to.
    pub(super) fn maintain(self: &Arc<Self>) {
        if self.freshness.advice(self.context.clock.now()) != Advice::Keep {
            self.refresh_behind();
        }
    }

    fn refresh_behind(self: &Arc<Self>) {
        // Nobody waits for it.
        drop(self.flight.join(&self.context.runtime, || true, || self.clone().refresh(false)));
    }

    /// Fetches the list as it is now: not what was asked for before the call, and not what a cache holds.
    pub(super) async fn refetch(self: &Arc<Self>) -> Result<(), FetchError> {
        while let Some(earlier) = self.flight.current() {
            // It may have left before what we want was there.
            let _ = earlier.landed().await;
        }
        let flight = self.flight.join(&self.context.runtime, || true, || self.clone().refresh(true));
        match flight {
            Some(flight) => flight.landed().await,
            None => Err(FetchError::Aborted),
        }
    }

    /// Takes in indexes that the issuer says are revoked.
    pub(super) fn push(&self, revoked: &[RangeInclusive<u64>]) {
        let now = self.context.clock.now();
        let mut rest = self.rest();
        rest.pushed.extend(revoked.iter().map(|indexes| (now, indexes.clone())));
        let surplus = rest.pushed.len().saturating_sub(MOST_CHANGES);
        rest.pushed.drain(..surplus);
        drop(rest);
        // After they are noted: whoever puts another list in its place from now on applies them to that one.
        if let Some(list) = &*self.list.load() {
            for indexes in revoked {
                list.revoke(indexes.clone());
            }
        }
    }

    /// Whether changes are pushed from now on. When they no longer are, the list is asked for as before.
    pub(super) fn set_followed(&self, is_followed: bool) {
        let was_followed = self.is_followed.swap(is_followed, Ordering::Relaxed);
        let now = self.context.clock.now();
        if is_followed && let Some(list) = &*self.list.load() {
            self.freshness.succeeded(now, fresh_while_followed(list, now));
        } else if was_followed && !is_followed {
            self.freshness.expedite(now);
        }
    }

    async fn refresh(self: Arc<Self>, past_caches: bool) -> Result<(), FetchError> {
        let outcome = self.fetch(past_caches).await;
        let now = self.context.clock.now();
        match &outcome {
            Ok(fresh_for) => {
                self.rest().error = None;
                self.freshness.succeeded(now, *fresh_for);
            }
            Err(error) => {
                tracing::warn!(%error, list = %self.uri, "a status list cannot be fetched");
                self.rest().error = Some(error.clone());
                self.freshness.failed(now);
            }
        }
        outcome.map(drop)
    }

    /// Answers for how long the list is fresh.
    async fn fetch(&self, past_caches: bool) -> Result<Duration, FetchError> {
        let held = self.list.load_full().filter(|list| list.is_usable(self.context.clock.now()));
        let etag = if held.is_some() { self.rest().etag.clone() } else { None };
        let limit = self.context.policy.allowed_lists().token;
        let accept = "application/statuslist+jwt";
        let get = Get { url: &self.url, accept, etag: etag.as_deref(), past_caches, limit };
        let fetched = self.context.http.get(&get).await?;
        let now = self.context.clock.now();
        let (list, max_age) = match (fetched, held) {
            (Fetched::Unchanged { max_age }, Some(held)) => (held, max_age),
            (Fetched::Unchanged { .. }, None) => return Err(FetchError::Status(304)),
            (Fetched::Document { body, etag, max_age }, held) => {
                let list = Arc::new(self.verify(&body, now).await?);
                match held {
                    // An older one from some cache on the way would bring back what was revoked since.
                    Some(held) if held.issued_at() > list.issued_at() => (held, max_age),
                    _ => {
                        self.rest().etag = etag;
                        self.install(&list);
                        (list, max_age)
                    }
                }
            }
        };
        if self.is_followed.load(Ordering::Relaxed) {
            return Ok(fresh_while_followed(&list, now));
        }
        let fresh_for = list.ttl().or(max_age).unwrap_or(FRESH).clamp(FRESH_AT_LEAST, FRESH_AT_MOST);
        Ok(fresh_for.min(list.usable_until().since(now).unwrap_or_default()))
    }

    async fn verify(&self, body: &[u8], now: UnixTime) -> Result<StatusList, FetchError> {
        let unusable = |error: &dyn std::fmt::Display| FetchError::Unusable(error.to_string());
        let token = std::str::from_utf8(body).map_err(|error| unusable(&error))?.trim_ascii_end();
        let keys = self.context.keys_for_list(token).await.map_err(|error| unusable(&error))?;
        StatusList::verify(token, &self.uri, &keys, &self.context.policy, now).map_err(|error| unusable(&error))
    }

    fn install(&self, list: &Arc<StatusList>) {
        let issued_at = list.issued_at();
        let mut rest = self.rest();
        rest.pushed.retain(|(pushed_at, _)| issued_at <= pushed_at.plus(SKEW));
        for (_, indexes) in &rest.pushed {
            list.revoke(indexes.clone());
        }
        // While nothing can be pushed.
        self.list.store(Some(list.clone()));
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pushed changes keep a list fresh, but not beyond its end: it is asked for at half of what is left.
fn fresh_while_followed(list: &StatusList, now: UnixTime) -> Duration {
    list.usable_until().since(now).unwrap_or_default() * 5 / 8
}
