//! What an authority finds when it checks that a domain is ours.

use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::AcmeError;
use crate::certificate::Challenges;
use crate::store::acme::Challenge;

/// How the authority checks a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeType {
    /// By a TLS handshake at port 443 (RFC 8737): nothing else need be open.
    TlsAlpn01,
    /// By plain HTTP at port 80 (RFC 8555 §8.3), which the listener that redirects answers.
    Http01,
}

impl ChallengeType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        }
    }

    pub(super) fn acme(self) -> instant_acme::ChallengeType {
        match self {
            Self::TlsAlpn01 => instant_acme::ChallengeType::TlsAlpn01,
            Self::Http01 => instant_acme::ChallengeType::Http01,
        }
    }
}

impl fmt::Display for ChallengeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answers to published challenges.
pub(super) fn answers(published: &[Challenge], kind: ChallengeType) -> Result<Challenges, AcmeError> {
    let mut answers = Challenges::default();
    for challenge in published {
        match kind {
            ChallengeType::Http01 => {
                let answer = (challenge.token.clone(), challenge.key_authorization.clone());
                answers.key_authorizations.extend([answer]);
            }
            ChallengeType::TlsAlpn01 => {
                answers.certificates.extend([(challenge.domain.clone(), certificate(challenge)?)]);
            }
        }
    }
    Ok(answers)
}

/// A certificate that nobody trusts and that holds the digest of the key authorization (RFC 8737 §3). Each instance makes its
/// own.
fn certificate(challenge: &Challenge) -> Result<Arc<CertifiedKey>, AcmeError> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, challenge.key_authorization.as_bytes());
    let mut parameters = CertificateParams::new([challenge.domain.clone()])?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // Without the check that the two belong together: it refuses the extension, which it does not know and is critical.
    let key = provider.key_provider.load_private_key(key)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}
