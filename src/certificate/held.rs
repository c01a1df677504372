//! A certificate with its private key, ready for handshakes.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A chain and the key of its first certificate.
pub struct Held {
    pub(super) certified: Arc<CertifiedKey>,
    pub not_before: DateTime<Utc>,
    /// When clients begin to refuse it.
    pub not_after: DateTime<Utc>,
}

/// Why a chain and a key cannot be shown; each reads as "*the certificate or its file* …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("holds no certificate in PEM")]
    NoCertificate,
    #[error("is not a certificate: {0}")]
    NotCertificate(String),
    #[error("holds no private key in PEM that can be read: {0}")]
    NotKey(String),
    #[error("does not belong to the private key: {0}")]
    Mismatch(String),
}

/// A certificate that ends sooner should have been renewed, unless it lives for a short time altogether.
const SOON: TimeDelta = TimeDelta::days(14);

impl Held {
    /// Whether it ends in less than 14 days, or a quarter of its life where that is less.
    pub fn ends_soon(&self, now: DateTime<Utc>) -> bool {
        self.not_after - now < SOON.min((self.not_after - self.not_before) / 4)
    }

    /// From PEM: the chain with the server's own certificate first, and its private key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Unusable::NotCertificate(error.to_string()))?;
        let first = chain.first().ok_or(Unusable::NoCertificate)?;
        let not_certificate = |error: &dyn fmt::Display| Unusable::NotCertificate(error.to_string());
        let (_, parsed) = X509Certificate::from_der(first).map_err(|error| not_certificate(&error))?;
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let validity = parsed.validity();
        let (not_before, not_after) = (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| Unusable::NotKey(error.to_string()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Unusable::Mismatch(error.to_string()),
            other => Unusable::NotKey(other.to_string()),
        })?;
        Ok(Self { certified: Arc::new(certified), not_before, not_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(days: i64) -> Held {
        let signed = rcgen::generate_simple_self_signed(["auth.example".to_owned()]).unwrap();
        let (chain, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        let held = Held::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let not_before = DateTime::UNIX_EPOCH;
        Held { not_before, not_after: not_before + TimeDelta::days(days), ..held }
    }

    #[test]
    fn soon_is_fourteen_days_or_a_quarter_of_a_short_life() {
        let day = |day| DateTime::UNIX_EPOCH + TimeDelta::days(day);
        assert!(!lasting(90).ends_soon(day(75)) && lasting(90).ends_soon(day(77)));
        assert!(!lasting(6).ends_soon(day(4)) && lasting(6).ends_soon(day(5)));
        assert!(lasting(90).ends_soon(day(91)));
    }
}
