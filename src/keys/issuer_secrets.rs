//! The issuer's own secrets, sealed in the database: the canary that tells a wrong master key before anything is written,
//! and the MAC key that refresh tokens are made with.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::master::MasterKeyRing;
use super::seal::{self, SealError};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::secret::{Secret, SecretBytes};
use crate::store::sealed_secrets::{self, SealedSecret};
use crate::store::{self, Connection, Exclusive, Store};

pub(super) const CANARY: &str = "canary";
const REFRESH_TOKEN_MAC: &str = "refresh-token-mac";

/// The prefix lets a scanner of leaked secrets know a refresh token.
const PREFIX: &str = "sgr_";

/// Covered by the MAC, so that no other MAC made with this key can be passed off as a refresh token.
const PURPOSE: &[u8] = b"signet refresh token\0";

/// The same for what logins are counted by.
const LOGIN_PURPOSE: &[u8] = b"signet login throttle\0";

/// version ‖ grant ‖ generation, before the MAC.
const BODY_LENGTH: usize = 1 + 16 + 4;

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the master key is not the one that this database was made with ({0}): nothing was changed")]
    WrongMasterKey(SealError),
    #[error("the database holds secrets but no canary: it is not one that signet made")]
    NoCanary,
}

/// What a refresh token of this issuer names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RefreshTokenParts {
    pub grant: Uuid,
    pub generation: i64,
}

/// The opened secrets.
pub struct IssuerSecrets {
    /// By version; the last one makes new tokens.
    refresh_token_macs: Vec<(u8, hmac::Key)>,
}

impl IssuerSecrets {
    /// Whether the database holds secrets, for which there is then a master key somewhere.
    pub async fn exist(store: &Store) -> Result<bool, store::Error> {
        Ok(!sealed_secrets::all(&mut store.reading().await?).await?.is_empty())
    }

    /// Opens the issuer's secrets where the database has any, and changes nothing.
    pub async fn check(store: &Store, master: &MasterKeyRing) -> Result<(), SecretsError> {
        let rows = sealed_secrets::all(&mut store.reading().await?).await?;
        if rows.is_empty() { Ok(()) } else { Self::unseal(&rows, master).map(drop) }
    }

    /// Opens the issuer's secrets, or makes them where the database has none.
    ///
    /// # Errors
    /// When the master key is another one than theirs. Nothing has been written then.
    pub async fn open(
        store: &Store,
        clock: &Clock,
        entropy: &Entropy,
        master: &MasterKeyRing,
    ) -> Result<Self, SecretsError> {
        let rows = sealed_secrets::all(&mut store.reading().await?).await?;
        if !rows.is_empty() {
            return Self::unseal(&rows, master);
        }
        let now = clock.now();
        let new = |name: &str, value: &SecretBytes| SealedSecret {
            name: name.to_owned(),
            version: 1,
            ciphertext: seal::seal(master, &purpose(name, 1), value.expose()),
            created_at: now,
        };
        let made = [
            new(CANARY, &SecretBytes::new(entropy.bytes::<32>().to_vec())),
            new(REFRESH_TOKEN_MAC, &SecretBytes::new(entropy.bytes::<32>().to_vec())),
        ];
        let rows = store
            .exclusively(Exclusive::Initialisation, async |connection: &mut Connection| {
                // Another instance may have made them while this one waited.
                if sealed_secrets::all(connection).await?.is_empty() {
                    for secret in &made {
                        sealed_secrets::insert(connection, secret).await?;
                    }
                }
                sealed_secrets::all(connection).await
            })
            .await?;
        Self::unseal(&rows, master)
    }

    fn unseal(rows: &[SealedSecret], master: &MasterKeyRing) -> Result<Self, SecretsError> {
        let open = |row: &SealedSecret| {
            seal::open(master, &purpose(&row.name, row.version), &row.ciphertext).map_err(SecretsError::WrongMasterKey)
        };
        open(rows.iter().find(|row| row.name == CANARY).ok_or(SecretsError::NoCanary)?)?;
        let mut refresh_token_macs = Vec::new();
        for row in rows.iter().filter(|row| row.name == REFRESH_TOKEN_MAC) {
            let key = hmac::Key::new(hmac::HMAC_SHA256, open(row)?.expose());
            let version = u8::try_from(row.version).map_err(|_| SecretsError::NoCanary)?;
            refresh_token_macs.push((version, key));
        }
        if refresh_token_macs.is_empty() {
            return Err(SecretsError::NoCanary);
        }
        Ok(Self { refresh_token_macs })
    }

    /// For the fuzz targets (`fuzz/`) alone, which have no database.
    #[cfg(feature = "fuzzing")]
    #[doc(hidden)]
    pub fn with_mac_key(key: &[u8; 32]) -> Self {
        Self { refresh_token_macs: vec![(1, hmac::Key::new(hmac::HMAC_SHA256, key))] }
    }

    /// The refresh token of one generation of a grant. The same input gives the same token, so that a retried request
    /// gets the successor it missed, and nothing of a token need be stored.
    pub fn refresh_token(&self, grant: Uuid, generation: i64) -> Secret {
        let (version, key) = self.refresh_token_macs.last().expect("never empty");
        let mut token = Vec::with_capacity(BODY_LENGTH + 32);
        token.push(*version);
        token.extend(grant.as_bytes());
        token.extend(u32::try_from(generation).unwrap_or(u32::MAX).to_be_bytes());
        let tag = mac(key, &token);
        token.extend(tag.as_ref());
        Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token)))
    }

    /// A name for the counter of logins that `parts` describe, which tells nobody what they are: a presented user name may
    /// be a password that was typed into the wrong field. The same on every instance, today and after a restart.
    pub fn login_counter(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.derived(LOGIN_PURPOSE, parts)
    }

    /// 32 bytes that follow from `parts` and that nobody else can compute. `purpose` ends with a NUL and is the caller's own.
    pub fn derived(&self, purpose: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let (_, key) = self.refresh_token_macs.first().expect("never empty");
        let mut context = hmac::Context::with_key(key);
        context.update(purpose);
        for part in parts {
            // With its length, so that no two descriptions are the same bytes.
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }

    /// What a presented token names, if this issuer made it. The MAC is compared in constant time, before anything else
    /// of the token is looked at.
    pub fn open_refresh_token(&self, presented: &Secret) -> Option<RefreshTokenParts> {
        let token = URL_SAFE_NO_PAD.decode(presented.expose().strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = token.split_at_checked(BODY_LENGTH)?;
        let (_, key) = self.refresh_token_macs.iter().find(|(version, _)| *version == body[0])?;
        let mut message = PURPOSE.to_vec();
        message.extend(body);
        hmac::verify(key, &message, tag).ok()?;
        let grant = Uuid::from_slice(&body[1..17]).ok()?;
        let generation = u32::from_be_bytes(body[17..].try_into().ok()?);
        Some(RefreshTokenParts { grant, generation: i64::from(generation) })
    }
}

fn mac(key: &hmac::Key, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(PURPOSE);
    context.update(body);
    context.sign()
}

pub(super) fn purpose(name: &str, version: i64) -> String {
    format!("secret:{name}:{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(key: u8) -> IssuerSecrets {
        IssuerSecrets { refresh_token_macs: vec![(1, hmac::Key::new(hmac::HMAC_SHA256, &[key; 32]))] }
    }

    #[test]
    fn a_token_names_its_grant_and_generation_and_is_always_the_same() {
        let (grant, generation) = (Uuid::from_u128(7), 4_000_000_000);
        let token = secrets(1).refresh_token(grant, generation);
        assert_eq!(secrets(1).open_refresh_token(&token), Some(RefreshTokenParts { grant, generation }));
        assert_eq!(secrets(1).refresh_token(grant, generation).expose(), token.expose());
        assert_ne!(secrets(1).refresh_token(grant, generation - 1).expose(), token.expose());
    }

    #[test]
    fn a_token_changed_in_any_character_or_length_is_nobodys() {
        let token = secrets(1).refresh_token(Uuid::from_u128(7), 1);
        let text = token.expose();
        for place in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = Secret::new(String::from_utf8(changed).unwrap());
            assert_eq!(secrets(1).open_refresh_token(&changed), None, "{place}");
            assert_eq!(secrets(1).open_refresh_token(&Secret::new(&text[..place])), None, "{place}");
        }
        for changed in [format!("{text}A"), format!("{text}="), text.to_uppercase(), format!(" {text}")] {
            assert_eq!(secrets(1).open_refresh_token(&Secret::new(changed)), None);
        }
        assert_eq!(secrets(2).open_refresh_token(&token), None, "another issuer's key");
    }

    #[test]
    fn counters_of_logins_differ_by_each_part_and_by_issuer() {
        let counter = |key, parts: &[&[u8]]| secrets(key).login_counter(parts);
        assert_eq!(counter(1, &[b"ab", b"c"]), counter(1, &[b"ab", b"c"]));
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""]] {
            assert_ne!(counter(1, &[b"ab", b"c"]), counter(1, other));
        }
        assert_ne!(counter(1, &[b"ab", b"c"]), counter(2, &[b"ab", b"c"]));
    }

    #[test]
    fn a_mac_made_for_another_purpose_is_no_token() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let mut body = vec![1];
        body.extend([0; BODY_LENGTH - 1]);
        let tag = hmac::sign(&key, &body);
        body.extend(tag.as_ref());
        let forged = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body)));
        assert_eq!(secrets(1).open_refresh_token(&forged), None);
    }
}
