//! Strings that begin with `$`: those of crypt(3) (bcrypt, SHA-crypt by Ulrich Drepper's specification, scrypt's `$7$`),
//! PHC strings of Argon2 and scrypt, and passlib's PBKDF2.

use std::num::NonZeroU32;

use argon2::{Algorithm, Version};

use super::NotRead;
use crate::password::foreign::ForeignHash;
use crate::password::foreign::scheme::{Digest, Scheme};
use crate::password::foreign::text::{base64, bcrypt_base64, crypt_base64, decimal, fields, numbers};
use crate::password::hash::Parameters;

/// crypt(3) makes its hash of no more of a salt.
const SHA_CRYPT_SALT_BYTES: usize = 16;

pub fn read(text: &str) -> Result<ForeignHash, NotRead> {
    let rest = text.strip_prefix('$').unwrap_or(text);
    let (name, rest) = rest.split_once('$').ok_or(NotRead::Unknown)?;
    let (scheme, read) = match name {
        "2a" | "2b" | "2y" => ("bcrypt", bcrypt(rest)),
        "5" => ("sha256-crypt", sha256_crypt(rest)),
        "6" => ("sha512-crypt", sha512_crypt(rest)),
        "7" => ("scrypt", scrypt_mcf(rest)),
        "scrypt" => ("scrypt", scrypt_phc(rest)),
        "argon2d" | "argon2i" | "argon2id" => return argon2(name, rest),
        "pbkdf2" => ("passlib's PBKDF2", pbkdf2(Digest::Sha1, rest)),
        "pbkdf2-sha256" => ("passlib's PBKDF2", pbkdf2(Digest::Sha256, rest)),
        "pbkdf2-sha512" => ("passlib's PBKDF2", pbkdf2(Digest::Sha512, rest)),
        _ => return Err(NotRead::Unknown),
    };
    let (scheme, salt, output) = read.ok_or(NotRead::Malformed(scheme))?;
    Ok(ForeignHash::new(scheme, salt, output)?)
}

type Parts = (Scheme, Vec<u8>, Vec<u8>);

/// `12$` and 22 characters of salt and 31 of hash.
fn bcrypt(rest: &str) -> Option<Parts> {
    let [cost, both] = fields(rest)?;
    if cost.len() != 2 || both.len() != 53 || !both.is_ascii() {
        return None;
    }
    let cost = decimal(cost.strip_prefix('0').unwrap_or(cost))?;
    let (salt, output) = both.split_at(22);
    Some((Scheme::Bcrypt { cost }, bcrypt_base64(salt)?, bcrypt_base64(output)?))
}

/// `rounds=5000$salt$hash`, or without the rounds, which are 5,000 then.
fn sha_crypt(rest: &str) -> Option<(u32, Vec<u8>, Vec<u8>)> {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(stated) => {
            let (rounds, rest) = stated.split_once('$')?;
            (decimal(rounds)?, rest)
        }
        None => (sha_crypt::Params::RECOMMENDED_ROUNDS, rest),
    };
    let [salt, output] = fields(rest)?;
    let salt = salt.as_bytes();
    Some((rounds, salt[..salt.len().min(SHA_CRYPT_SALT_BYTES)].to_vec(), crypt_base64(output)?))
}

fn sha256_crypt(rest: &str) -> Option<Parts> {
    let (rounds, salt, written) = sha_crypt(rest)?;
    let mut output = vec![0; 32];
    let groups = (0..10).flat_map(|group| turned([group, group + 10, group + 20], (3 - group % 3) % 3));
    untranspose(&written, groups.chain([30, 31]), &mut output)?;
    Some((Scheme::Sha256Crypt { rounds }, salt, output))
}

fn sha512_crypt(rest: &str) -> Option<Parts> {
    let (rounds, salt, written) = sha_crypt(rest)?;
    let mut output = vec![0; 64];
    let groups = (0..21).flat_map(|group| turned([group, group + 21, group + 42], group % 3));
    untranspose(&written, groups.chain([63]), &mut output)?;
    Some((Scheme::Sha512Crypt { rounds }, salt, output))
}

/// The bytes that one group of four characters stands for, the last of them first, as the specification's listing has
/// them: each group turns the three on by one.
fn turned(mut places: [usize; 3], by: usize) -> [usize; 3] {
    places.rotate_left(by);
    places.reverse();
    places
}

/// Puts bytes back into the order in which the digest has them.
fn untranspose(written: &[u8], places: impl Iterator<Item = usize>, output: &mut [u8]) -> Option<()> {
    if written.len() != output.len() {
        return None;
    }
    written.iter().zip(places).for_each(|(byte, place)| output[place] = *byte);
    Some(())
}

/// One character for log N, five each for r and p, and the salt as it is; then the hash.
fn scrypt_mcf(rest: &str) -> Option<Parts> {
    let [settings, output] = fields(rest)?;
    if !settings.is_ascii() || settings.len() < 11 {
        return None;
    }
    let (parameters, salt) = settings.split_at(11);
    let number = |text: &str| {
        // Thirty bits, of which a number that is not absurd leaves the last six clear.
        let bytes = crypt_base64(text.strip_suffix('.')?)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]))
    };
    let log_n = u32::from(*crypt_base64(&format!("{}.", &parameters[..1]))?.first()?);
    let (r, p) = (number(&parameters[1..6])?, number(&parameters[6..])?);
    Some((Scheme::Scrypt { log_n, r, p }, salt.as_bytes().to_vec(), crypt_base64(output)?))
}

/// `ln=16,r=8,p=1$salt$hash`
fn scrypt_phc(rest: &str) -> Option<Parts> {
    let [parameters, salt, output] = fields(rest)?;
    let [log_n, r, p] = numbers(parameters, ["ln", "r", "p"])?;
    Some((Scheme::Scrypt { log_n, r, p }, base64(salt)?, base64(output)?))
}

/// `v=19$m=65536,t=3,p=4$salt$hash`; without a version it is 16, the first one.
fn argon2(name: &str, rest: &str) -> Result<ForeignHash, NotRead> {
    let malformed = || NotRead::Malformed("Argon2");
    let (version, rest) = match rest.strip_prefix("v=") {
        Some(stated) => stated.split_once('$').ok_or_else(malformed)?,
        None => ("16", rest),
    };
    let version = decimal(version).and_then(|version| Version::try_from(version).ok()).ok_or_else(malformed)?;
    let variant = Algorithm::new(name).map_err(|_| malformed())?;
    let [parameters, salt, output] = fields(rest).ok_or_else(malformed)?;
    let [memory, iterations, lanes] = numbers(parameters, ["m", "t", "p"]).ok_or_else(malformed)?;
    let parameters = Parameters::new(memory, iterations, lanes).map_err(super::Unusable::from)?;
    let (salt, output) = base64(salt).zip(base64(output)).ok_or_else(malformed)?;
    Ok(ForeignHash::new(Scheme::Argon2(variant, version, parameters), salt, output)?)
}

/// `29000$salt$hash`
pub fn pbkdf2(digest: Digest, rest: &str) -> Option<Parts> {
    let [iterations, salt, output] = fields(rest)?;
    let iterations = NonZeroU32::new(decimal(iterations)?)?;
    Some((Scheme::Pbkdf2(digest, iterations), base64(salt)?, base64(output)?))
}
