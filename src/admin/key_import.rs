//! Taking over a private key of another issuer: as the key that signs, or to verify the tokens it has signed.

use serde_json::json;

use super::lifetime::spelled;
use super::signing_keys::SigningKeyView;
use super::{Admin, Done, Error};
use crate::keys::import::ImportedKey;
use crate::keys::{Admission, Role};
use crate::store::{Connection, Exclusive, settings};

impl Admin {
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
