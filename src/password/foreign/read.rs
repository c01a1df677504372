//! Which system wrote a hash, by how it begins; one file a family of systems reads the rest.

mod aspnet;
mod crypt;
mod django;
mod ldap;

use super::{ForeignHash, Unusable};

/// Far longer than any hash that is read.
const MAX_BYTES: usize = 1024;

/// Why a hash is not taken, as the end of a sentence. Says nothing of the hash but its scheme and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    #[error("is of no scheme that is known here")]
    Unknown,
    #[error("is of the scheme {0}, which is not taken: the user needs a new password")]
    Refused(&'static str),
    #[error("is no password's: the user could not log in with one before")]
    NoPassword,
    #[error("is damaged: it does not have the form of {0}")]
    Malformed(&'static str),
    #[error("{0}")]
    Unusable(#[from] Unusable),
}

/// What is known and not taken, by its beginning: too weak to be worth verifying, or without a crate that is kept well.
const REFUSED: [(&str, &str); 17] = [
    ("$1$", "md5-crypt"),
    ("$2x$", "bcrypt with the fault of $2x$"),
    ("$apr1$", "Apache's md5-crypt"),
    ("$gy$", "gost-yescrypt"),
    ("$H$", "phpass"),
    ("$md5", "Sun's md5-crypt"),
    ("$P$", "phpass"),
    ("$sha1$", "sha1-crypt"),
    ("$y$", "yescrypt"),
    ("bcrypt_sha256$", "bcrypt over SHA-256"),
    ("md5$", "salted MD5"),
    ("sha1$", "salted SHA-1 (Django)"),
    ("unsalted_", "unsalted MD5 or SHA-1"),
    ("{MD5}", "unsalted MD5"),
    ("{SHA}", "unsalted SHA-1"),
    ("{SMD5}", "salted MD5"),
    ("{CLEARTEXT}", "no hash at all"),
];

pub fn any(text: &str) -> Result<ForeignHash, NotRead> {
    if text.is_empty() || text.len() > MAX_BYTES {
        return Err(NotRead::Unknown);
    }
    if text.starts_with(['!', '*']) {
        return Err(NotRead::NoPassword);
    }
    if let Some((_, name)) = REFUSED.iter().find(|(start, _)| begins(text, start)) {
        return Err(NotRead::Refused(name));
    }
    if text.starts_with('{') {
        ldap::read(text)
    } else if text.starts_with('$') {
        crypt::read(text)
    } else if text.contains('$') {
        django::read(text)
    } else {
        aspnet::read(text)
    }
}

/// The names of LDAP's schemes are written in any case.
fn begins(text: &str, start: &str) -> bool {
    let ignoring_case = |text: &str| text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start));
    text.starts_with(start) || start.starts_with('{') && ignoring_case(text)
}
