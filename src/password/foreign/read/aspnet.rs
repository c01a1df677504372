//! The base64 of ASP.NET Identity (`PasswordHasher.cs`): version 2 is a zero byte, 16 of salt, 32 of hash; version 3 is a
//! one, then digest, iterations and length of the salt as big-endian numbers of 32 bits, salt and hash.

use std::num::NonZeroU32;

use super::NotRead;
use crate::password::foreign::ForeignHash;
use crate::password::foreign::scheme::{Digest, Scheme};
use crate::password::foreign::text::base64;

const V2_ITERATIONS: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const V2_SALT_BYTES: usize = 16;
const V2_OUTPUT_BYTES: usize = 32;

pub fn read(text: &str) -> Result<ForeignHash, NotRead> {
    let bytes = base64(text).ok_or(NotRead::Unknown)?;
    let parts = match bytes.split_first() {
        Some((0, rest)) if rest.len() == V2_SALT_BYTES + V2_OUTPUT_BYTES => {
            let (salt, output) = rest.split_at(V2_SALT_BYTES);
            Some((Scheme::Pbkdf2(Digest::Sha1, V2_ITERATIONS), salt, output))
        }
        Some((1, rest)) => version_3(rest),
        _ => return Err(NotRead::Unknown),
    };
    let (scheme, salt, output) = parts.ok_or(NotRead::Malformed("ASP.NET Identity's version 3"))?;
    Ok(ForeignHash::new(scheme, salt.to_vec(), output.to_vec())?)
}

fn version_3(rest: &[u8]) -> Option<(Scheme, &[u8], &[u8])> {
    let number = |rest: &mut &[u8]| {
        let (first, others) = rest.split_first_chunk()?;
        *rest = others;
        Some(u32::from_be_bytes(*first))
    };
    let mut rest = rest;
    let digest = match number(&mut rest)? {
        0 => Digest::Sha1,
        1 => Digest::Sha256,
        2 => Digest::Sha512,
        _ => return None,
    };
    let iterations = NonZeroU32::new(number(&mut rest)?)?;
    let salt_bytes = usize::try_from(number(&mut rest)?).ok()?;
    let (salt, output) = rest.split_at_checked(salt_bytes)?;
    Some((Scheme::Pbkdf2(digest, iterations), salt, output))
}
