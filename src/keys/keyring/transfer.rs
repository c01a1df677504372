//! Keys that come from another issuer and keys that leave for another program.

use super::{Keys, KeysError, in_use, purpose, schedules};
use crate::keys::export::{self, ExportError};
use crate::keys::import::ImportedKey;
use crate::keys::lifecycle::{State, immediate, spans};
use crate::keys::seal;
use crate::secret::Secret;
use crate::store::revisions::{self, Topic};
use crate::store::signing_keys::{self, SigningKey};
use crate::store::{Connection, Json, Spelled, settings};

/// What an imported key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It signs from now on. The verifiers of its former issuer know it already, so it is not published first.
    Signing,
    /// It verifies what its former issuer signed, until the last such token has expired.
    Verifying,
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    Stored {
        /// The key that signed by its algorithm until now.
        signing: Option<String>,
        role: Role,
        /// Whether any resource server's tokens are signed by its algorithm.
        in_use: bool,
    },
    /// The key, or its kid, is here already.
    Exists { kid: String },
    /// Nobody said what it is for, and this key signs by its algorithm: to be replaced or not.
    RoleNeeded { signing: String },
}

impl Keys {
    /// Stores an imported key, within the transaction of a caller that holds the rotation lock.
    pub async fn admit(
        &self,
        connection: &mut Connection,
        key: &ImportedKey,
        role: Option<Role>,
    ) -> Result<Admission, KeysError> {
        let now = self.clock.now();
        let (kid, algorithm) = (key.public_jwk.kid(), key.public_jwk.algorithm());
        let rows = signing_keys::all(connection).await?;
        // The same numbers under another kid or for another algorithm are the same key (RFC 8725 §3.1: one algorithm).
        let is_same = |row: &&SigningKey| row.kid == kid || row.public_jwk.0.material() == key.public_jwk.material();
        if let Some(same) = rows.iter().find(is_same) {
            return Ok(Admission::Exists { kid: same.kid.clone() });
        }
        let schedules = schedules(&rows);
        let retention = settings::load(connection).await?.retention_at(now);
        let states = spans(&schedules, retention).into_iter().map(|span| span.state(now));
        let signs = |(row, state): &(&SigningKey, State)| row.algorithm.0 == algorithm && *state == State::Signing;
        let signing = rows.iter().zip(states).find(signs).map(|(row, _)| row.kid.clone());
        let role = match (role, &signing) {
            (Some(role), _) => role,
            (None, None) => Role::Signing,
            (None, Some(signing)) => return Ok(Admission::RoleNeeded { signing: signing.clone() }),
        };
        let active_at = match role {
            Role::Signing => immediate(&schedules, algorithm, now),
            Role::Verifying => now,
        };
        let row = SigningKey {
            kid: kid.to_owned(),
            algorithm: Spelled(algorithm),
            public_jwk: Json(key.public_jwk.clone()),
            sealed_private_key: seal::seal(&self.master, &purpose(kid), key.private_key.expose()),
            created_at: now,
            active_at,
            revoked_at: None,
            retired_at: (role == Role::Verifying).then_some(now),
            activation_noted_at: None,
        };
        signing_keys::insert(connection, &row).await?;
        revisions::bump(connection, Topic::Keys).await?;
        let in_use = in_use(connection, now).await?.contains(&algorithm);
        tracing::info!(key.id = kid, %algorithm, ?role, "a signing key was imported");
        Ok(Admission::Stored { signing, role, in_use })
    }

    /// A private key as encrypted PKCS#8 in PEM; `None` when there is none of this kid. Takes some tenths of a second.
    pub async fn encrypted_private_key(
        &self,
        connection: &mut Connection,
        kid: &str,
        passphrase: &Secret,
    ) -> Result<Option<Result<String, ExportError>>, KeysError> {
        let Some(row) = signing_keys::all(connection).await?.into_iter().find(|row| row.kid == kid) else {
            return Ok(None);
        };
        let private_key = seal::open(&self.master, &purpose(kid), &row.sealed_private_key)
            .map_err(|source| KeysError::Sealed { kid: kid.to_owned(), source })?;
        Ok(Some(export::encrypted_pem(&private_key, passphrase, &self.entropy)))
    }
}
