//! Values that hide themselves: no `Display`, no `Serialize`, a `Debug` that prints nothing, memory wiped on drop.
//!
//! What a client or user presents, and what is shown to them once, is a [`Secret`]; keys are [`SecretBytes`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// A password, client secret or token in clear.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// A new secret: `prefix` (which lets a scanner of leaked secrets know it) and 256 random bits in base64url.
    pub fn generate(prefix: &str, entropy: &Entropy) -> Self {
        let random = Zeroizing::new(entropy.bytes::<32>());
        Self::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random.as_slice())))
    }

    /// The value itself. Every call is a place to check that it is not logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

/// For the few fields whose secret does go over the wire, each of which names this module: what an administrator sends, and
/// what is answered once.
pub mod exposed {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Secret;

    pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }

    /// The same for a secret that may be absent.
    pub mod option {
        use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

        use crate::secret::Secret;

        pub fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
            secret.as_ref().map(Secret::expose).serialize(serializer)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
            Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
        }
    }
}

/// Key material.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// SHA-256 of a secret of at least 128 random bits, which is all that is stored of it. (A password, which is guessable,
/// gets Argon2id instead.)
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(Vec<u8>);

impl SecretHash {
    pub fn of(secret: &Secret) -> Self {
        Self(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose().as_bytes()).as_ref().to_vec())
    }

    /// Compares in constant time.
    pub fn matches(&self, presented: &Secret) -> bool {
        self.0.ct_eq(&Self::of(presented).0).into()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}
