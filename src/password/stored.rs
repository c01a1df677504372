//! What a user's row may hold: a hash of ours, an imported one, or an imported one that was wrapped; and whether a
//! presented password fits it.

use super::Password;
use super::arena::Arena;
use super::foreign::{self, ForeignHash};
use super::hash::{Argon2id, Malformed, Parameters, PasswordHash};
use super::wrapped::{self, Wrapped};
use crate::secret::Secret;

pub(super) enum Stored {
    Own(Argon2id),
    Foreign(ForeignHash),
    Wrapped(Wrapped),
}

impl Stored {
    pub fn parse(hash: &PasswordHash) -> Result<Self, Malformed> {
        if let Some(stored) = hash.as_str().strip_prefix(foreign::PREFIX) {
            return Ok(Self::Foreign(ForeignHash::parse(stored).ok_or(Malformed::Imported)??));
        }
        if let Some(stored) = hash.as_str().strip_prefix(wrapped::PREFIX) {
            return Wrapped::parse(stored).map(Self::Wrapped);
        }
        Argon2id::parse(hash.as_str()).map(Self::Own)
    }

    /// Whether the password fits. Another system hashed the bytes that it was sent: they are tried as they were typed,
    /// and then, where it differs, in the form in which ours are hashed.
    ///
    /// A wrong password costs at least what `dummy` costs, so that no cheap scheme gives its users away by a quick answer.
    pub fn matches(&self, typed: &Secret, password: &Password, dummy: &Argon2id, arena: &mut Arena) -> bool {
        let mut either = |fits: &dyn Fn(&[u8], &mut Arena) -> bool| {
            fits(typed.expose().as_bytes(), arena)
                || typed.expose() != password.as_str() && fits(password.as_bytes(), arena)
        };
        match self {
            Self::Own(hash) => hash.matches(password, arena),
            Self::Wrapped(hash) => either(&|bytes, arena| hash.matches(bytes, arena)),
            Self::Foreign(hash) => {
                let right = either(&|bytes, arena| hash.matches(bytes, arena));
                if !right {
                    // The right one costs as much: it is hashed anew.
                    dummy.matches(password, arena);
                }
                right
            }
        }
    }

    pub fn needs_rehash(&self, wanted: &Parameters) -> bool {
        match self {
            Self::Own(hash) => hash.needs_rehash(wanted),
            Self::Foreign(_) | Self::Wrapped(_) => true,
        }
    }
}

/// The scheme of an imported hash and whether it is wrapped, from what is stored; `None` for a hash of ours.
pub fn imported_scheme(stored: &str) -> Option<(&str, bool)> {
    let (rest, is_wrapped) = match stored.strip_prefix(foreign::PREFIX) {
        Some(rest) => (rest, false),
        None => (stored.strip_prefix(wrapped::PREFIX)?, true),
    };
    rest.split_once('$').map(|(name, _)| (name, is_wrapped))
}
