//! Users' passwords: Argon2id hashes (RFC 9106) and those of other systems on a bounded pool of threads, and what a new
//! password must be (NIST SP 800-63B-4 §3.1.1).
//!
//! Knows nothing of users, of the database or of the brake on guessing: whoever verifies asks for the brake first.

mod arena;
mod breached;
mod foreign;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod observed;
mod policy;
mod pool;
mod returns;
mod stored;
mod workers;
mod wrapped;

use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

pub use breached::{BreachedPasswords, RangeError};
pub use foreign::{ForeignHash, NotRead, Unusable};
pub use hash::{Malformed, OutOfBounds, Parameters, PasswordHash};
pub use observed::Observed;
pub use policy::{MIN_CHARACTERS, Refusal, check};
pub use pool::{Admitted, Pool, PoolSettings, Verdict};
pub use stored::imported_scheme;

use crate::secret::Secret;

/// The longest password, in bytes of UTF-8 after normalisation: hashing a longer one would only serve to keep us busy.
pub const MAX_BYTES: usize = 1024;

/// No character is more than three times longer taken apart (é as e and an accent) than put together, so that nothing
/// above this can still become [`MAX_BYTES`] and need not be normalised to find out.
const MAX_BYTES_BEFORE_NORMALISATION: usize = 3 * MAX_BYTES;

/// Why no answer about a password can be given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// As many are hashing and waiting as may, or the wait was too long: 503 with `Retry-After`.
    #[error("too many passwords are being hashed at the moment")]
    Busy { retry_after: Duration },
    /// Known before any hashing, and independent of the user: it tells a caller nothing about whether there is one.
    #[error("the password is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The database holds something that is not a password hash: an internal error, not a wrong password.
    #[error("the stored password hash cannot be used: {0}")]
    Malformed(#[from] Malformed),
    /// A new password that was found in a breach.
    #[error("the password was found in a breach")]
    Breached,
    /// A new password cannot be looked up: an installation that is not whole.
    #[error("the passwords known from breaches: {0}")]
    Ranges(#[from] RangeError),
    /// The computation panicked: a fault of ours.
    #[error("the password hash was not computed")]
    Crashed,
}

/// A password in the one form that is counted, checked and hashed: whole, in Unicode NFC, neither trimmed nor folded
/// in case. é typed as one character or as e and an accent is the same password (SP 800-63B-4 §3.1.1.2).
struct Password(Secret);

impl Password {
    fn new(typed: &Secret) -> Result<Self, Error> {
        if typed.expose().len() > MAX_BYTES_BEFORE_NORMALISATION {
            return Err(Error::TooLong);
        }
        // Room for the longest from the start: a string that grows leaves unwiped copies of its beginning behind.
        let mut normal = String::with_capacity(MAX_BYTES);
        for character in typed.expose().nfc() {
            if normal.len() + character.len_utf8() > MAX_BYTES {
                drop(Secret::new(normal));
                return Err(Error::TooLong);
            }
            normal.push(character);
        }
        Ok(Self(Secret::new(normal)))
    }

    fn as_str(&self) -> &str {
        self.0.expose()
    }

    fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl AsRef<[u8]> for Password {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(typed: &str) -> Result<String, Error> {
        Password::new(&Secret::new(typed)).map(|password| password.as_str().to_owned())
    }

    #[test]
    fn composed_and_decomposed_characters_are_the_same_password() {
        assert_eq!(normal("caf\u{e9}"), normal("cafe\u{301}"));
        assert_ne!(normal("caf\u{e9}"), normal("cafe"));
    }

    #[test]
    fn case_spaces_nul_and_compatibility_characters_are_kept() {
        for kept in [" Pass Word ", "a\0b", "\t\r\n", "ﬁ", "Ⅳ", "ＡＢＣ"] {
            assert_eq!(normal(kept).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn the_length_limit_is_of_the_normalised_bytes() {
        assert_eq!(normal(&"x".repeat(MAX_BYTES)).map(|p| p.len()), Ok(MAX_BYTES));
        assert_eq!(normal(&"x".repeat(MAX_BYTES + 1)), Err(Error::TooLong));
        assert_eq!(normal(&"x".repeat(4 * MAX_BYTES)), Err(Error::TooLong));
        assert_eq!(normal(&"e\u{301}".repeat(MAX_BYTES / 2)).map(|p| p.len()), Ok(MAX_BYTES));
        assert_eq!(normal(&"e\u{301}".repeat(MAX_BYTES / 2 + 1)), Err(Error::TooLong));
    }

    #[test]
    fn no_character_is_more_than_three_times_longer_decomposed() {
        for character in '\0'..=char::MAX {
            let apart = std::iter::once(character).nfd().map(char::len_utf8).sum::<usize>();
            let together = std::iter::once(character).nfc().map(char::len_utf8).sum::<usize>();
            assert!(apart <= 3 * together, "{character:?}");
        }
    }
}
