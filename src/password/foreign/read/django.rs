//! Django's strings: the name of a hasher, `$`, and what that hasher writes (`django/contrib/auth/hashers.py`).

use std::num::NonZeroU32;

use super::{NotRead, crypt};
use crate::password::foreign::ForeignHash;
use crate::password::foreign::scheme::{Digest, Scheme};
use crate::password::foreign::text::{base64, decimal, fields};

pub fn read(text: &str) -> Result<ForeignHash, NotRead> {
    let (hasher, rest) = text.split_once('$').ok_or(NotRead::Unknown)?;
    let (named, read) = match hasher {
        // The hasher's name, and a string that begins with `$` itself.
        "argon2" | "bcrypt" => return crypt::read(if hasher == "bcrypt" { rest } else { &text[hasher.len()..] }),
        "pbkdf2_sha1" => ("Django's pbkdf2_sha1", pbkdf2(Digest::Sha1, rest)),
        "pbkdf2_sha256" => ("Django's pbkdf2_sha256", pbkdf2(Digest::Sha256, rest)),
        "scrypt" => ("Django's scrypt", scrypt(rest)),
        _ => return Err(NotRead::Unknown),
    };
    let (scheme, salt, output) = read.ok_or(NotRead::Malformed(named))?;
    Ok(ForeignHash::new(scheme, salt, output)?)
}

/// `870000$salt$hash`: the salt is the text itself.
fn pbkdf2(digest: Digest, rest: &str) -> Option<(Scheme, Vec<u8>, Vec<u8>)> {
    let [iterations, salt, output] = fields(rest)?;
    let iterations = NonZeroU32::new(decimal(iterations)?)?;
    Some((Scheme::Pbkdf2(digest, iterations), salt.as_bytes().to_vec(), base64(output)?))
}

/// `16384$salt$8$5$hash`: N, salt, r, p.
fn scrypt(rest: &str) -> Option<(Scheme, Vec<u8>, Vec<u8>)> {
    let [n, salt, r, p, output] = fields(rest)?;
    let n = decimal(n)?;
    let scheme = Scheme::Scrypt { log_n: n.checked_ilog2()?, r: decimal(r)?, p: decimal(p)? };
    n.is_power_of_two().then_some((scheme, salt.as_bytes().to_vec(), base64(output)?))
}
