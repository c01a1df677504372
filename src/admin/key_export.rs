//! Handing keys out: public ones to whoever verifies, a private one to an administrator, encrypted and on the record.

use serde_json::json;

use super::{Admin, Error};
use crate::keys::export::{self, ExportError};
use crate::protocol::jwk::{JwkSet, PublicJwk};
use crate::secret::Secret;
use crate::store::Connection;

impl Admin {
    /// The public key of this kid, whatever its state; without one, the key set as it is published.
    pub async fn public_keys(&self, kid: Option<&str>) -> Result<JwkSet, Error> {
        self.keys.reload().await?;
        let ring = self.keys.ring();
        let Some(kid) = kid else { return Ok(ring.jwks(self.clock.now())) };
        let key = ring.keys().iter().find(|key| key.kid() == kid).ok_or_else(|| not_found(kid))?;
        Ok(JwkSet { keys: vec![key.opened().public_jwk.clone()] })
    }

    /// A private key as encrypted PKCS#8 in PEM. The record of it is committed before the key leaves.
    pub async fn export_private_key(&self, kid: &str, passphrase: &Secret) -> Result<String, Error> {
        let exported = async |connection: &mut Connection| {
            let exported = self.keys.encrypted_private_key(connection, kid, passphrase).await?;
            let pem = exported.ok_or_else(|| not_found(kid))?.map_err(failed)?;
            self.audit(connection, "signing_key.export", &format!("signing_key:{kid}"), json!({})).await?;
            Ok(pem)
        };
        self.store.transaction(exported).await
    }
}

/// A public key as SubjectPublicKeyInfo in PEM.
pub fn public_pem(key: &PublicJwk) -> Result<String, Error> {
    export::public_pem(key).map_err(failed)
}

fn not_found(kid: &str) -> Error {
    Error::NotFound { kind: "key", name: kid.to_owned() }
}

fn failed(error: ExportError) -> Error {
    match error {
        ExportError::ShortPassphrase(_) => Error::invalid("passphrase", error.to_string()),
        other => Error::Refused(format!("the key was not exported: {other}")),
    }
}
