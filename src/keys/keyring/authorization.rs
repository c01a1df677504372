//! What webhooks authenticate the issuer by: sealed under the master key, as private keys are.

use super::Keys;
use crate::keys::seal::{self, SealError};
use crate::secret::Secret;

impl Keys {
    /// Seals the value of a webhook's `Authorization` header.
    pub fn seal_authorization(&self, webhook: &str, authorization: &Secret) -> Vec<u8> {
        seal::seal(&self.master, &purpose(webhook), authorization.expose().as_bytes())
    }

    /// # Errors
    /// When it was changed, or is sealed under a master key that this process does not have.
    pub fn open_authorization(&self, webhook: &str, sealed: &[u8]) -> Result<Secret, SealError> {
        let opened = seal::open(&self.master, &purpose(webhook), sealed)?;
        let text = std::str::from_utf8(opened.expose()).map_err(|_| SealError::Malformed)?;
        Ok(Secret::new(text))
    }
}

/// A sealed value that is moved to another webhook does not open there.
pub(in crate::keys) fn purpose(webhook: &str) -> String {
    format!("webhook-authorization:{webhook}")
}
