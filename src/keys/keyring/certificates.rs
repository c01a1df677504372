//! Private keys of TLS certificates and of the account that orders them: sealed under the master key, as signing keys are.

use uuid::Uuid;

use super::Keys;
use crate::keys::seal::{self, SealError};
use crate::secret::SecretBytes;

impl Keys {
    /// Seals the private key of an ordered certificate.
    pub fn seal_certificate_key(&self, certificate: Uuid, key: &SecretBytes) -> Vec<u8> {
        seal::seal(&self.master, &certificate_purpose(certificate), key.expose())
    }

    /// # Errors
    /// When it was changed, or is sealed under a master key that this process does not have.
    pub fn open_certificate_key(&self, certificate: Uuid, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        seal::open(&self.master, &certificate_purpose(certificate), sealed)
    }

    /// Seals the credentials of the account at a certificate authority.
    pub fn seal_acme_account(&self, directory: &str, credentials: &SecretBytes) -> Vec<u8> {
        seal::seal(&self.master, &acme_account_purpose(directory), credentials.expose())
    }

    /// # Errors
    /// As [`open_certificate_key`](Self::open_certificate_key).
    pub fn open_acme_account(&self, directory: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        seal::open(&self.master, &acme_account_purpose(directory), sealed)
    }
}

/// A sealed value that is moved to another certificate does not open there.
pub(in crate::keys) fn certificate_purpose(certificate: Uuid) -> String {
    format!("certificate-key:{certificate}")
}

pub(in crate::keys) fn acme_account_purpose(directory: &str) -> String {
    format!("acme-account:{directory}")
}
