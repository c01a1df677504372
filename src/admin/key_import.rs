//! Taking over a private key of another issuer: as the key that signs, or to verify the tokens it has signed.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::lifetime::spelled;
use super::signing_keys::SigningKeyView;
use super::{Admin, Done, Error};
use crate::keys::import::{self, ImportedKey, Stated};
use crate::keys::{Admission, Role};
use crate::protocol::jwk::Algorithm;
use crate::secret::{Secret, SecretBytes};
use crate::store::{Connection, Exclusive, settings};

/// A private key of another issuer, as it comes in.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyImport {
    /// PEM (PKCS#1, PKCS#8, encrypted PKCS#8, SEC1) or a JWK, as text.
    #[serde(with = "crate::secret::exposed")]
    #[schema(value_type = String, format = Password)]
    pub key: Secret,
    /// Of an encrypted one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::secret::exposed::option")]
    #[schema(value_type = Option<String>, format = Password)]
    pub passphrase: Option<Secret>,
    /// Must be the one in its tokens; absent: the JWK's own, or the thumbprint (RFC 7638).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Needed for a PEM that is to sign by PS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// What the key is for from now on; needed where another key signs by its algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ImportedState>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportedState {
    /// Signs at once, in place of the key that does now.
    Signing,
    /// Verifies the tokens that its former issuer signed, until they have expired.
    Verifying,
}

impl From<ImportedState> for Role {
    fn from(state: ImportedState) -> Self {
        match state {
            ImportedState::Signing => Self::Signing,
            ImportedState::Verifying => Self::Verifying,
        }
    }
}

impl Admin {
    /// Reads a key and stores it.
    pub async fn import_presented_key(&self, import: KeyImport) -> Result<Done<SigningKeyView>, Error> {
        let KeyImport { key, passphrase, kid, algorithm, state } = import;
        let file = SecretBytes::new(key.expose().as_bytes().to_vec());
        // Deriving the key of an encrypted one takes its time.
        let read = move || import::read(&file, Stated { passphrase, kid, algorithm });
        let read =
            tokio::task::spawn_blocking(read).await.map_err(|_| Error::Refused("the key was not read".to_owned()))?;
        let key = read.map_err(|error| Error::Refused(format!("the key was not imported: {error}")))?;
        let mut done = self.import_key(&key, state.map(Role::from)).await?;
        if key.is_algorithm_assumed {
            done.notes.push("the key does not say whether its tokens are RS256 or PS256: RS256 was taken".to_owned());
        }
        Ok(done)
    }

    /// Stores the key and says what it is for from now on. Without a role it signs, unless another key does by its
    /// algorithm: whether that one is to be replaced is then for the administrator to say.
    pub async fn import_key(&self, key: &ImportedKey, role: Option<Role>) -> Result<Done<SigningKeyView>, Error> {
        let (kid, alg) = (key.public_jwk.kid(), key.public_jwk.algorithm());
        let admitted = async |connection: &mut Connection| {
            let (signing, role, in_use) = match self.keys.admit(connection, key, role).await? {
                Admission::Exists { kid } => return Err(Error::Exists { kind: "key", name: kid }),
                Admission::RoleNeeded { signing } => {
                    return Err(Error::Refused(format!(
                        "{alg} is signed with {signing} now: say whether {kid} replaces it at once (--state signing) or \
                         only verifies the tokens of its former issuer (--state verifying)"
                    )));
                }
                Admission::Stored { signing, role, in_use } => (signing, role, in_use),
            };
            let state = if role == Role::Signing { "signing" } else { "verifying" };
            let details = json!({ "alg": alg, "state": state });
            self.audit(connection, "signing_key.import", &format!("signing_key:{kid}"), details).await?;
            Ok((signing, role, in_use, settings::load(connection).await?))
        };
        let (signing, role, in_use, settings) = self.store.exclusively(Exclusive::Rotation, admitted).await?;
        let view = self.signing_keys().await?.view.into_iter().find(|view| view.kid == kid);
        let view = view.ok_or_else(|| Error::NotFound { kind: "key", name: kid.to_owned() })?;
        let mut notes = Vec::new();
        if role == Role::Verifying {
            notes.push(format!(
                "its tokens verify for {} from now on (key_retention); if its former issuer still signs, or gave its \
                 tokens a longer lifetime, set a longer one with `signet settings set --key-retention`",
                spelled(settings.key_retention)
            ));
        }
        if let (Role::Signing, Some(signing)) = (role, signing) {
            notes.push(format!(
                "{signing} signs no more and stays in the key set for {} (key_retention); verifiers that have fetched \
                 this issuer's key set before, and do not fetch it again when they meet an unknown kid, refuse new \
                 tokens for up to {} (jwks_max_age)",
                spelled(settings.key_retention),
                spelled(settings.jwks_max_age)
            ));
        }
        if role == Role::Signing && !in_use {
            notes.push(format!(
                "no resource server's tokens are signed with {alg}: `signet resource-server update AUDIENCE \
                 --signing-algorithm {alg}` changes that"
            ));
        }
        Ok(Done { notes, ..Done::plain(view) })
    }
}
