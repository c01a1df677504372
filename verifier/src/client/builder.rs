//! How a client is set up.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Handle;

use super::http::{Http, require_security};
use super::keys::KeyCache;
use super::lists::ListCache;
use super::{Client, Clock, Context, FetchError, Inner, SystemClock, maintain};
use crate::Policy;

/// Settings of a [`Client`].
pub struct ClientBuilder {
    policy: Policy,
    jwks_uri: Option<String>,
    status_list_prefix: Option<String>,
    stale_keys: Duration,
    timeout: Duration,
    follows_changes: bool,
    roots: Vec<Vec<u8>>,
    realm: String,
    maintenance: Duration,
    clock: Arc<dyn Clock>,
}

/// Why a client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The issuer, the key set's address or the prefix of status lists.
    #[error("{0} is not an address")]
    Address(String),
    /// An address that does not protect what is fetched from it.
    #[error(transparent)]
    Insecure(#[from] FetchError),
    /// A root certificate that is no PEM, or no roots at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Background work needs one.
    #[error("a client is built within a tokio runtime")]
    NoRuntime,
    /// The status lists would not be the issuer's.
    #[error("the prefix of status lists is not on the issuer's origin")]
    ForeignPrefix,
}

impl ClientBuilder {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            jwks_uri: None,
            status_list_prefix: None,
            stale_keys: Duration::from_hours(1),
            timeout: Duration::from_secs(5),
            follows_changes: false,
            roots: Vec::new(),
            realm: "api".into(),
            maintenance: Duration::from_secs(1),
            clock: Arc::new(SystemClock),
        }
    }

    /// Where the key set is. Unset: where the issuer's metadata says (RFC 8414).
    #[must_use]
    pub fn jwks_uri(mut self, uri: &str) -> Self {
        self.jwks_uri = Some(uri.to_owned());
        self
    }

    /// What the addresses of status lists begin with; on the issuer's origin. Unset: `{issuer}/status-lists/`.
    #[must_use]
    pub fn status_list_prefix(mut self, prefix: &str) -> Self {
        self.status_list_prefix = Some(prefix.to_owned());
        self
    }

    /// For how long keys are used beyond their freshness while the issuer cannot be reached. Unset: an hour.
    #[must_use]
    pub fn stale_keys(mut self, stale: Duration) -> Self {
        self.stale_keys = stale;
        self
    }

    /// How long one fetch may take. Unset: 5 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether changes of status lists are to be pushed: a connection is held for each list, and a revocation is known
    /// at once, not at the list's `ttl`. Unset: no.
    #[must_use]
    pub fn follow_changes(mut self, follow: bool) -> Self {
        self.follows_changes = follow;
        self
    }

    /// A certificate authority, in PEM, that is trusted beside those of the machine.
    #[must_use]
    pub fn root_certificate(mut self, pem: &[u8]) -> Self {
        self.roots.push(pem.to_owned());
        self
    }

    /// What is protected, as challenges call it. Quotes and control characters are left out. Unset: `api`.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = realm.chars().filter(|c| (' '..='~').contains(c) && !['"', '\\'].contains(c)).collect();
        self
    }

    /// How often it is looked whether something must be fetched in the background. Unset: every second.
    #[must_use]
    pub fn maintenance_period(mut self, period: Duration) -> Self {
        self.maintenance = period.max(Duration::from_millis(1));
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The client. Nothing is waited for; the keys are asked for in the background.
    ///
    /// # Errors
    /// When an address or a certificate is no good, or outside a tokio runtime.
    pub fn build(self) -> Result<Client, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let issuer = address(self.policy.issuer())?;
        let jwks_uri = self.jwks_uri.as_deref().map(address).transpose()?;
        let prefix = match self.status_list_prefix {
            Some(prefix) => prefix,
            None => format!("{}/status-lists/", self.policy.issuer().trim_end_matches('/')),
        };
        if address(&prefix)?.origin() != issuer.origin() || !prefix.ends_with('/') {
            return Err(BuildError::ForeignPrefix);
        }
        let mut roots = Vec::new();
        for pem in &self.roots {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.push(certificate.map_err(|error| BuildError::Tls(Box::new(error)))?);
            }
        }
        let needs_tls = issuer.scheme() == "https" || jwks_uri.as_ref().is_some_and(|uri| uri.scheme() == "https");
        let context = Context {
            policy: Arc::new(self.policy),
            issuer,
            http: Http::new(self.timeout, roots, needs_tls).map_err(BuildError::Tls)?,
            clock: self.clock,
            runtime: runtime.clone(),
            keys: Arc::new(OnceLock::new()),
        };
        let keys = Arc::new(KeyCache::new(context.clone(), jwks_uri, self.stale_keys));
        context.keys.get_or_init(|| Arc::downgrade(&keys));
        let lists = ListCache::new(context.clone(), prefix, self.follows_changes);
        let inner = Arc::new(Inner { context, keys, lists, realm: self.realm.into() });
        runtime.spawn(maintain(Arc::downgrade(&inner), self.maintenance));
        Ok(Client { inner })
    }
}

fn address(text: &str) -> Result<Url, BuildError> {
    let url: Url = text.parse().map_err(|_| BuildError::Address(text.to_owned()))?;
    require_security(&url)?;
    Ok(url)
}
