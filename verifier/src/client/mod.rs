//! An API's connection to its issuer: keys and status lists, fetched and cached, so that a token is verified without a
//! call to anyone once both are there.

mod builder;
mod clock;
mod discovery;
mod feed;
mod flight;
mod freshness;
mod http;
mod keys;
mod list;
mod lists;
mod sse;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use reqwest::Url;
use tokio::runtime::Handle;

pub use builder::{BuildError, ClientBuilder};
pub use clock::{Clock, SystemClock};
pub use http::FetchError;

use self::http::Http;
use self::keys::KeyCache;
use self::lists::ListCache;
use crate::error::JwsError;
use crate::jws::unverified_kid;
use crate::{AccessToken, Error, KeySet, Policy};

/// Verifies access tokens of one issuer. Cloning is cheap, and the clones share what was fetched.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    context: Context,
    keys: Arc<KeyCache>,
    lists: ListCache,
    realm: Box<str>,
}

/// What every part of the client needs.
#[derive(Clone)]
struct Context {
    policy: Arc<Policy>,
    issuer: Url,
    http: Http,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    /// Set once, when the keys are there to be pointed to.
    keys: Arc<OnceLock<Weak<KeyCache>>>,
}

impl Context {
    /// The keys to verify a status list with.
    async fn keys_for_list(&self, token: &str) -> Result<Arc<KeySet>, Error> {
        let keys = self.keys.get().and_then(Weak::upgrade);
        let keys = keys.ok_or_else(|| Error::KeysUnavailable(FetchError::Aborted.to_string()))?;
        let current = keys.current().await?;
        match unverified_kid(token) {
            Some(kid) if current.find(&kid).is_none() => Ok(keys.with_kid(&kid).await.unwrap_or(current)),
            _ => Ok(current),
        }
    }
}

impl Client {
    /// A client for an API that demands this of its tokens.
    pub fn builder(policy: Policy) -> ClientBuilder {
        ClientBuilder::new(policy)
    }

    /// Verifies a token: form, signature, claims, and that it was not revoked. Once keys and list are there, nothing is
    /// waited for. Dropping the future loses nothing: a fetch that was begun goes on.
    ///
    /// # Errors
    /// Why it is refused, or, as [`Error::is_unavailable`] tells, why it cannot be judged.
    pub async fn verify(&self, token: &str) -> Result<AccessToken, Error> {
        let Inner { context, keys, lists, .. } = &*self.inner;
        let policy = &context.policy;
        let set = keys.current().await?;
        let signed = match policy.verify_signed(token, &set, context.clock.now()) {
            Err(Error::Jws(JwsError::UnknownKey)) => {
                let kid = unverified_kid(token).ok_or(JwsError::UnknownKey)?;
                let set = keys.with_kid(&kid).await.ok_or(JwsError::UnknownKey)?;
                policy.verify_signed(token, &set, context.clock.now())?
            }
            otherwise => otherwise?,
        };
        let list = match signed.status() {
            None => None,
            // Only now, when it is known to be the issuer who names it.
            Some(reference) => match lists.find(&reference.uri)?.current().await {
                Ok(list) => Some(list),
                Err(why) if policy.demands_list() => return Err(Error::StatusUnavailable(why)),
                Err(_) => None,
            },
        };
        policy.check_status(signed, list.as_deref(), context.clock.now())
    }

    /// Fetches the keys, if that has not been done: a start that wants to know whether the issuer can be reached.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.inner.keys.current().await.map(drop)
    }

    /// What is protected, as challenges call it (RFC 9110 §11.5).
    pub fn realm(&self) -> &str {
        &self.inner.realm
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("policy", &self.inner.context.policy).finish_non_exhaustive()
    }
}

/// Looks after what is cached until the last client is gone.
async fn maintain(inner: Weak<Inner>, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        inner.keys.maintain();
        inner.lists.maintain();
    }
}
