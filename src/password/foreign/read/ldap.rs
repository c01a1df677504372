//! Values of LDAP's `userPassword` (RFC 2307 §5.3): a scheme in braces, whose case does not count, and its hash.

use super::{NotRead, crypt};
use crate::password::foreign::ForeignHash;
use crate::password::foreign::scheme::{Digest, Scheme};
use crate::password::foreign::text::base64;

pub fn read(text: &str) -> Result<ForeignHash, NotRead> {
    let (name, rest) = text.strip_prefix('{').and_then(|text| text.split_once('}')).ok_or(NotRead::Unknown)?;
    let (named, read) = match name.to_ascii_uppercase().as_str() {
        "SSHA" => ("{SSHA}", salted(Digest::Sha1, rest)),
        "SSHA256" => ("{SSHA256}", salted(Digest::Sha256, rest)),
        "SSHA512" => ("{SSHA512}", salted(Digest::Sha512, rest)),
        "PBKDF2" | "PBKDF2-SHA1" => ("{PBKDF2}", crypt::pbkdf2(Digest::Sha1, rest)),
        "PBKDF2-SHA256" => ("{PBKDF2-SHA256}", crypt::pbkdf2(Digest::Sha256, rest)),
        "PBKDF2-SHA512" => ("{PBKDF2-SHA512}", crypt::pbkdf2(Digest::Sha512, rest)),
        // What the system's crypt(3) or libargon2 made.
        "CRYPT" | "ARGON2" | "BCRYPT" if rest.starts_with('$') => return super::any(rest),
        "CRYPT" => return Err(NotRead::Refused("DES crypt")),
        _ => return Err(NotRead::Unknown),
    };
    let (scheme, salt, output) = read.ok_or(NotRead::Malformed(named))?;
    Ok(ForeignHash::new(scheme, salt, output)?)
}

/// The digest with the salt behind it.
fn salted(digest: Digest, rest: &str) -> Option<(Scheme, Vec<u8>, Vec<u8>)> {
    let mut output = base64(rest)?;
    if output.len() < digest.bytes() {
        return None;
    }
    let salt = output.split_off(digest.bytes());
    Some((Scheme::Salted(digest), salt, output))
}
