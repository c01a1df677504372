//! What a handshake is answered with, as a whole that is replaced at once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use chrono::{DateTime, Utc};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{ACME_TLS, Held};
use crate::metrics::Moment;

/// What an authority that checks a domain is answered, while an order is under way.
#[derive(Default)]
pub struct Challenges {
    /// By domain: the certificate of the challenge `tls-alpn-01` (RFC 8737 §3).
    pub certificates: HashMap<String, Arc<CertifiedKey>>,
    /// By token: the key authorization of the challenge `http-01` (RFC 8555 §8.3).
    pub key_authorizations: HashMap<String, String>,
}

/// The certificate in force, for every listener.
#[derive(Default)]
pub struct Shown {
    held: ArcSwapOption<Held>,
    challenges: ArcSwap<Challenges>,
    answers_challenges: bool,
    told: OnceLock<Arc<Moment>>,
}

impl Shown {
    /// For an issuer that answers `tls-alpn-01` in its handshakes.
    pub fn answering_challenges() -> Self {
        Self { answers_challenges: true, ..Self::default() }
    }

    pub(super) fn answers_challenges(&self) -> bool {
        self.answers_challenges
    }

    pub fn show(&self, held: Held) {
        let not_after = held.not_after;
        self.held.store(Some(Arc::new(held)));
        if let Some(told) = self.told.get() {
            told.set(not_after);
        }
    }

    /// Has the metrics know when the certificate ends.
    pub fn tell(&self, metric: Arc<Moment>) {
        if let Some(not_after) = self.not_after() {
            metric.set(not_after);
        }
        let _ = self.told.set(metric);
    }

    pub fn answer(&self, challenges: Challenges) {
        self.challenges.store(Arc::new(challenges));
    }

    /// When the certificate ends, if that is soon.
    pub(super) fn ends_soon(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.held.load().as_ref().filter(|held| held.ends_soon(now)).map(|held| held.not_after)
    }

    /// When the certificate ends; `None` as long as there is none.
    pub fn not_after(&self) -> Option<DateTime<Utc>> {
        self.held.load().as_ref().map(|held| held.not_after)
    }

    /// What is to be said at `/.well-known/acme-challenge/{token}`.
    pub fn key_authorization(&self, token: &str) -> Option<String> {
        self.challenges.load().key_authorizations.get(token).cloned()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // An authority offers that protocol and no other (RFC 8737 §3); a client that offers it among others gets none of
        // our answers to challenges, and the handshake fails where there is no challenge.
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS)) {
            let alone = hello.alpn().is_some_and(|protocols| protocols.count() == 1);
            let domain = hello.server_name()?.to_ascii_lowercase();
            return alone.then(|| self.challenges.load().certificates.get(&domain).cloned()).flatten();
        }
        self.held.load().as_ref().map(|held| held.certified.clone())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("not_after", &self.not_after()).finish_non_exhaustive()
    }
}
