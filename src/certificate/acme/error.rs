//! Why there is no certificate, in words for an administrator.

use crate::certificate::Unusable;
use crate::keys::seal::SealError;
use crate::store;

#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the row of the certificate is gone from the database")]
    Gone,
    #[error("the certificate or account in the database does not open: {0}")]
    Seal(#[from] SealError),
    #[error("the issued certificate {0}")]
    Unusable(#[from] Unusable),
    #[error("the certificate authority: {0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the certificate authority did not answer in time")]
    Silent,
    #[error("the certificate authority offers no {challenge} for {domain}")]
    NoChallenge { challenge: &'static str, domain: String },
    /// What the authority found at each domain.
    #[error("the certificate authority has refused the order: {0}")]
    Refused(String),
    #[error("another instance is at the order by now")]
    Overtaken,
    #[error("making a key or a request: {0}")]
    Generation(#[from] rcgen::Error),
    #[error("a certificate for a challenge: {0}")]
    Challenge(#[from] rustls::Error),
    #[error("SIGNET_ACME_EAB_HMAC_KEY is not base64url")]
    ExternalAccountKey,
    #[error("the account's credentials: {0}")]
    Credentials(#[from] serde_json::Error),
}
