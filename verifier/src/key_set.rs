//! The issuer's key set (RFC 7517 §5), each key parsed once, when the set is read.

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use crate::json::object;
use crate::key::{Jwk, Key, KeyError};

/// More keys than any issuer has in use; a set with more is refused whole.
const MOST_KEYS: usize = 128;

/// The keys that signatures are verified with, and none but those: what is not a public signature key of a supported
/// algorithm is passed over (RFC 7517 §5), and [`ignored`](Self::ignored) says why.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    ignored: Vec<(Option<Box<str>>, KeyError)>,
}

/// Why a key set cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JWK set: {0}")]
pub struct KeySetError(String);

object! {
    Document<'a> {
        keys: Keys<'a> = "keys",
    }
}

pub(crate) struct Keys<'a>(Vec<Jwk<'a>>);

impl<'de> Deserialize<'de> for Keys<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(KeysVisitor)
    }
}

pub(crate) struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Keys<'de>, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = seq.next_element()? {
            if keys.len() == MOST_KEYS {
                return Err(A::Error::custom("too many keys"));
            }
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When it is not one. A set of which no key can be used is a set without keys, and no error.
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Document<'_> = serde_json::from_slice(json).map_err(|error| KeySetError(error.to_string()))?;
        let Keys(jwks) = document.keys.ok_or_else(|| KeySetError("it has no \"keys\"".into()))?;
        let mut set = Self::default();
        for jwk in &jwks {
            let namesakes = jwks.iter().filter(|other| other.kid == jwk.kid).count();
            let key = if jwk.kid.is_some() && namesakes > 1 { Err(KeyError::RepeatedKid) } else { Key::from_jwk(jwk) };
            match key {
                Ok(key) => set.keys.push(key),
                Err(error) => set.ignored.push((jwk.kid.as_ref().map(|kid| kid.as_str().into()), error)),
            }
        }
        Ok(set)
    }

    /// The key of exactly this name. Sets are small: looking along them is faster than a hash.
    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// The keys that are used.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What was passed over: the `kid`, where there is one, and the reason.
    pub fn ignored(&self) -> impl Iterator<Item = (Option<&str>, KeyError)> {
        self.ignored.iter().map(|(kid, error)| (kid.as_deref(), *error))
    }
}
