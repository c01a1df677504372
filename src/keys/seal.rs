//! Secrets at rest: AES-256-GCM under a master key (NIST SP 800-38D).
//!
//! A sealed value is `version (1 byte, 1) ‖ master key id (8) ‖ nonce (12, random) ‖ ciphertext ‖ tag (16)`. What comes
//! before the nonce is authenticated too, as is the purpose, so that a sealed value copied to another row does not open
//! there. A master key seals few values, far from the 2^32 that random nonces bear.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroize as _;

use crate::keys::master::{MasterKeyId, MasterKeyRing};
use crate::secret::SecretBytes;

const VERSION: u8 = 1;
const PREFIX_LEN: usize = 1 + 8;
const HEADER_LEN: usize = PREFIX_LEN + NONCE_LEN;
const TAG_LEN: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the value is not a sealed one of a version known here")]
    Malformed,
    #[error("the value was changed, or sealed for another purpose")]
    Tampered,
    #[error("the value is sealed under master key {key_id}, which is not in the master key file")]
    UnknownKey { key_id: MasterKeyId },
}

/// Seals `plaintext` under the ring's first key for one purpose, such as `signing-key:KID`.
///
/// # Panics
/// When the operating system has no randomness to give, as [`Entropy`](crate::entropy::Entropy) does. (The nonce does
/// not come from `Entropy`: one that repeats, as a seeded one does, would break the cipher.)
pub fn seal(ring: &MasterKeyRing, purpose: &str, plaintext: &[u8]) -> Vec<u8> {
    let key = ring.first();
    let mut prefix = [VERSION; PREFIX_LEN];
    prefix[1..].copy_from_slice(&key.id().0);
    let mut sealed = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&prefix);
    sealed.extend_from_slice(&[0; NONCE_LEN]);
    sealed.extend_from_slice(plaintext);
    let (nonce, tag) = key
        .aead
        .seal_in_place_separate_tag(Aad::from(associated_data(&prefix, purpose)), &mut sealed[HEADER_LEN..])
        .expect("a plaintext far below 64 GB is sealed");
    sealed[PREFIX_LEN..HEADER_LEN].copy_from_slice(nonce.as_ref());
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal`] sealed for the same purpose, under any key of the ring.
///
/// # Errors
/// [`SealError::UnknownKey`] names the key that is missing; the other two mean that the stored value is damaged.
pub fn open(ring: &MasterKeyRing, purpose: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
    let key_id = sealed_under(sealed)?;
    let key = ring.find(key_id).ok_or(SealError::UnknownKey { key_id })?;
    let nonce = Nonce::try_assume_unique_for_key(&sealed[PREFIX_LEN..HEADER_LEN]).map_err(|_| SealError::Malformed)?;
    let mut buffer = sealed[HEADER_LEN..].to_vec();
    let associated_data = Aad::from(associated_data(&sealed[..PREFIX_LEN], purpose));
    match key.aead.open_in_place(nonce, associated_data, &mut buffer).map(|plaintext| plaintext.len()) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(SecretBytes::new(buffer))
        }
        Err(_) => {
            buffer.zeroize();
            Err(SealError::Tampered)
        }
    }
}

/// Which master key sealed a value: one that is not the ring's first should be sealed anew.
///
/// # Errors
/// [`SealError::Malformed`].
pub fn sealed_under(sealed: &[u8]) -> Result<MasterKeyId, SealError> {
    match sealed.first_chunk::<PREFIX_LEN>() {
        Some([VERSION, id @ ..]) if sealed.len() >= HEADER_LEN + TAG_LEN => Ok(MasterKeyId(*id)),
        _ => Err(SealError::Malformed),
    }
}

/// The prefix has a fixed length, so that no two pairs give the same bytes.
fn associated_data(prefix: &[u8], purpose: &str) -> Vec<u8> {
    [prefix, purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::keys::master::{create_file, new_line};

    /// A ring of keys, each from its seed.
    fn ring(seeds: &[u64]) -> MasterKeyRing {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        create_file(&path, &Entropy::seeded(0)).unwrap();
        let lines: Vec<_> = seeds.iter().map(|seed| new_line(&Entropy::seeded(*seed)).expose().to_owned()).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        MasterKeyRing::load(&path).unwrap()
    }

    const PURPOSE: &str = "signing-key:abc";

    #[test]
    fn what_is_sealed_opens_under_the_same_key_for_the_same_purpose() {
        let ring = ring(&[1]);
        for plaintext in [&b""[..], b"secret", &[7; 1200]] {
            let sealed = seal(&ring, PURPOSE, plaintext);
            assert_eq!(sealed.len(), 1 + 8 + 12 + plaintext.len() + 16);
            assert_eq!(open(&ring, PURPOSE, &sealed).unwrap().expose(), plaintext);
        }
    }

    #[test]
    fn it_does_not_open_for_another_purpose() {
        let ring = ring(&[1]);
        let sealed = seal(&ring, PURPOSE, b"secret");
        for purpose in ["signing-key:abd", "signing-key:ab", "signing-key:abcd", ""] {
            assert_eq!(open(&ring, purpose, &sealed).unwrap_err(), SealError::Tampered);
        }
    }

    #[test]
    fn a_change_in_any_byte_is_noticed() {
        let ring = ring(&[1]);
        let sealed = seal(&ring, PURPOSE, b"secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let error = open(&ring, PURPOSE, &changed).unwrap_err();
            match at {
                0 => assert_eq!(error, SealError::Malformed),
                1..9 => assert!(matches!(error, SealError::UnknownKey { .. })),
                _ => assert_eq!(error, SealError::Tampered),
            }
        }
    }

    #[test]
    fn a_truncated_value_does_not_open() {
        let ring = ring(&[1]);
        let sealed = seal(&ring, PURPOSE, b"secret");
        for length in 0..sealed.len() {
            let error = open(&ring, PURPOSE, &sealed[..length]).unwrap_err();
            let expected = if length < 37 { SealError::Malformed } else { SealError::Tampered };
            assert_eq!(error, expected, "{length} bytes");
        }
    }

    #[test]
    fn a_new_first_key_seals_and_the_old_one_still_opens() {
        let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
        let sealed = seal(&old, PURPOSE, b"secret");
        assert_eq!(open(&both, PURPOSE, &sealed).unwrap().expose(), b"secret");
        let key_id = old.first().id();
        assert_eq!(sealed_under(&sealed), Ok(key_id));
        assert_eq!(open(&new, PURPOSE, &sealed).unwrap_err(), SealError::UnknownKey { key_id });
        let again = seal(&both, PURPOSE, b"secret");
        assert_eq!(sealed_under(&again), Ok(new.first().id()));
        assert_eq!(open(&new, PURPOSE, &again).unwrap().expose(), b"secret");
    }

    #[test]
    fn the_same_secret_never_seals_to_the_same_bytes() {
        let ring = ring(&[1]);
        assert_ne!(seal(&ring, PURPOSE, b"secret")[9..], seal(&ring, PURPOSE, b"secret")[9..]);
    }
}
