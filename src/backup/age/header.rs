//! The header of an age file with one passphrase: the file key, wrapped under what scrypt (RFC 7914) makes of it.

use std::io::{BufRead, Read as _};

use aws_lc_rs::aead::{Aad, Nonce};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::{AgeError, TAG, Work, chacha, derive};
use crate::secret::Secret;

const VERSION: &str = "age-encryption.org/v1";
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
const R: u32 = 8;
const P: u32 = 1;

/// More than any line of such a header has.
const LONGEST_LINE: u64 = 256;

/// The whole header, ready to be followed by the payload.
pub fn write(file_key: &[u8; 16], passphrase: &Secret, work: Work, salt: &[u8; 16]) -> Zeroizing<String> {
    let mut wrapped = Zeroizing::new(file_key.to_vec());
    chacha(&wrapping_key(passphrase, salt, work.0))
        .seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut *wrapped)
        .expect("16 bytes are sealed");
    let [salt, wrapped] = [&salt[..], &wrapped].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    let body = format!("{VERSION}\n-> scrypt {salt} {}\n{wrapped}\n---", work.0);
    let mac = STANDARD_NO_PAD.encode(hmac::sign(&mac_key(file_key), body.as_bytes()));
    Zeroizing::new(format!("{body} {mac}\n"))
}

/// Reads the header and unwraps the file key.
pub fn read(input: &mut impl BufRead, passphrase: &Secret) -> Result<Zeroizing<[u8; 16]>, AgeError> {
    if line(input)? != VERSION {
        return Err(AgeError::NotAge);
    }
    let stanza = line(input)?;
    let (salt, work) = scrypt_stanza(&stanza).ok_or(AgeError::NotPassphrase)?;
    if work > Work::LARGEST.0 {
        return Err(AgeError::Work(work));
    }
    let body = line(input)?;
    let end = line(input)?;
    let mac = end.strip_prefix("--- ").and_then(|mac| STANDARD_NO_PAD.decode(mac).ok()).ok_or(AgeError::Header)?;
    let mut wrapped = Zeroizing::new(STANDARD_NO_PAD.decode(&body).map_err(|_| AgeError::Header)?);
    // Checked before it is opened, as the format demands: a longer one could be opened by several passphrases.
    if wrapped.len() != 16 + TAG {
        return Err(AgeError::Header);
    }
    let opened = chacha(&wrapping_key(passphrase, &salt, work))
        .open_in_place(zero_nonce(), Aad::empty(), &mut wrapped)
        .map_err(|_| AgeError::WrongPassphrase)?;
    let mut file_key = Zeroizing::new([0; 16]);
    file_key.copy_from_slice(opened);
    let covered = format!("{VERSION}\n{stanza}\n{body}\n---");
    hmac::verify(&mac_key(&file_key), covered.as_bytes(), &mac).map_err(|_| AgeError::Header)?;
    Ok(file_key)
}

fn scrypt_stanza(stanza: &str) -> Option<([u8; 16], u8)> {
    let (salt, work) = stanza.strip_prefix("-> scrypt ")?.split_once(' ')?;
    let salt = STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?;
    // Digits alone and no leading zero, as the format demands.
    let plain = work.bytes().all(|byte| byte.is_ascii_digit()) && !work.starts_with('0');
    Some((salt, work.parse().ok().filter(|_| plain)?))
}

fn line(input: &mut impl BufRead) -> Result<String, AgeError> {
    let mut line = Vec::new();
    input.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => String::from_utf8(line).map_err(|_| AgeError::NotAge),
        _ => Err(AgeError::NotAge),
    }
}

fn wrapping_key(passphrase: &Secret, salt: &[u8; 16], work: u8) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let parameters = scrypt::Params::new(work, R, P).expect("within scrypt's bounds");
    let salt = [SALT_LABEL, salt].concat();
    scrypt::scrypt(passphrase.expose().as_bytes(), &salt, &parameters, key.as_mut_slice())
        .expect("32 bytes are within what scrypt gives");
    key
}

/// The wrapping key is used once.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn mac_key(file_key: &[u8; 16]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, derive(file_key, &[], b"header").as_slice())
}
