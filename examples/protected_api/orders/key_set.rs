//! The issuer's public keys (RFC 7517 §5): fetched when first needed, kept for as long as the answer's `max-age`, and
//! fetched again when a token names a key that is not among them, because a new one may have begun to sign.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::header::CACHE_CONTROL;
use reqwest::{Response, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

/// The algorithms that are accepted: signatures by a private key that only the issuer has.
const ALLOWED: [Algorithm; 4] = [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA];

/// For a key set that comes without `max-age`.
const DEFAULT_MAX_AGE: u64 = 300;

/// Where the key set is.
pub enum Source {
    /// At the `jwks_uri` of this issuer's metadata (RFC 8414).
    Metadata(Url),
    Jwks(Url),
}

/// A key, and the one algorithm that it is for.
pub struct VerificationKey {
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// The issuer's keys could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the issuer's keys cannot be fetched: {0}")]
pub struct Unavailable(String);

impl From<reqwest::Error> for Unavailable {
    fn from(error: reqwest::Error) -> Self {
        // The reason (refused, unknown certificate) is in the innermost error.
        let mut reason: &dyn std::error::Error = &error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        Self(format!("{error}: {reason}"))
    }
}

pub struct KeySet {
    /// The shortest time from one fetch to the next. Invented key ids must not make this API a burden to the issuer.
    pub cool_down: Duration,
    /// How long keys are used while the issuer does not answer.
    pub tolerated_outage: Duration,
    http: reqwest::Client,
    source: Source,
    held: RwLock<Arc<Held>>,
    /// When the last fetch ended, and how. Locked while one runs: requests that need it wait for the same one.
    last_fetch: Mutex<Option<(Instant, Result<(), Unavailable>)>>,
}

struct Held {
    keys: HashMap<String, Arc<VerificationKey>>,
    fetched_at: Instant,
    max_age: Duration,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    pub fn new(http: reqwest::Client, source: Source) -> Self {
        let none = Held { keys: HashMap::new(), fetched_at: Instant::now(), max_age: Duration::ZERO };
        Self {
            cool_down: Duration::from_secs(10),
            tolerated_outage: Duration::from_secs(3600),
            http,
            source,
            held: RwLock::new(Arc::new(none)),
            last_fetch: Mutex::new(None),
        }
    }

    /// The key with this id, if the issuer publishes one.
    pub async fn find(&self, kid: &str) -> Result<Option<Arc<VerificationKey>>, Unavailable> {
        let held = self.held();
        if let Some(key) = held.keys.get(kid)
            && held.fetched_at.elapsed() < held.max_age
        {
            return Ok(Some(key.clone()));
        }
        let outcome = self.fetch_unless_done(&held).await;
        let held = self.held();
        match held.keys.get(kid) {
            // An issuer that is down for a moment is no reason to refuse the tokens it issued before.
            Some(key) if held.fetched_at.elapsed() < self.tolerated_outage => Ok(Some(key.clone())),
            _ => outcome.map(|()| None),
        }
    }

    fn held(&self) -> Arc<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys, unless that has been done since `seen` was current or a moment ago.
    async fn fetch_unless_done(&self, seen: &Arc<Held>) -> Result<(), Unavailable> {
        let mut last = self.last_fetch.lock().await;
        if !Arc::ptr_eq(seen, &self.held()) {
            return Ok(());
        }
        if let Some((at, outcome)) = &*last
            && at.elapsed() < self.cool_down
        {
            return outcome.clone();
        }
        let outcome = self.fetch().await.map(|fetched| {
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fetched);
        });
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    async fn fetch(&self) -> Result<Held, Unavailable> {
        let location = match &self.source {
            Source::Jwks(location) => location.clone(),
            Source::Metadata(issuer) => self.jwks_uri(issuer).await?,
        };
        let answer = self.http.get(location).send().await?.error_for_status()?;
        let max_age = Duration::from_secs(max_age(&answer).unwrap_or(DEFAULT_MAX_AGE));
        let jwks: Jwks = answer.json().await?;
        let keys = jwks.keys.into_iter().filter_map(usable).collect();
        Ok(Held { keys, fetched_at: Instant::now(), max_age })
    }

    async fn jwks_uri(&self, issuer: &Url) -> Result<Url, Unavailable> {
        // RFC 8414 §3.1: the well-known part comes before the issuer's own path.
        let mut location = issuer.clone();
        location.set_path(&format!("/.well-known/oauth-authorization-server{}", issuer.path().trim_end_matches('/')));
        let metadata: Metadata = self.http.get(location).send().await?.error_for_status()?.json().await?;
        // RFC 8414 §3.3: another issuer's metadata must not be used. (`Url` writes a slash behind a bare host.)
        if metadata.issuer.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
            return Err(Unavailable(format!("the metadata is that of {}", metadata.issuer)));
        }
        Url::parse(&metadata.jwks_uri).map_err(|error| Unavailable(format!("jwks_uri: {error}")))
    }
}

/// Seconds.
fn max_age(answer: &Response) -> Option<u64> {
    let header = answer.headers().get(CACHE_CONTROL)?.to_str().ok()?;
    header.split(',').find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok())
}

/// A key of the set, if it is one that this API can use. Others are passed over: a set may hold keys of a kind that
/// came into use after this was written.
fn usable(jwk: serde_json::Value) -> Option<(String, Arc<VerificationKey>)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let algorithm = Algorithm::from_str(&jwk.common.key_algorithm?.to_string()).ok()?;
    let is_for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    if !ALLOWED.contains(&algorithm) || !is_for_signatures {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, Arc::new(VerificationKey { algorithm, key })))
}
