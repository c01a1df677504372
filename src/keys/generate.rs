//! New private keys, and the public key of a stored one.
//!
//! The rsa crate searches the primes; everything that uses a private key goes through aws-lc-rs (`signer`), whose
//! operations take constant time.

use aws_lc_rs::encoding::{AsBigEndian as _, EcPublicKeyUncompressedBin};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use rsa::pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::keys::signer::{LocalSigner, OpenError};
use crate::protocol::jwk::{Algorithm, PublicJwk};
use crate::secret::SecretBytes;

/// 112 bits of strength, the most that every verifier is quick with (NIST SP 800-57 part 1, table 2).
const RSA_BITS: usize = 2048;

/// A key that nobody has stored yet.
#[derive(Debug)]
pub struct GeneratedKey {
    /// PKCS#8 in DER.
    pub private_key: SecretBytes,
    /// Its kid is its RFC 7638 thumbprint.
    pub public_jwk: PublicJwk,
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("the private key could not be encoded as PKCS#8")]
    Encode(#[from] Unspecified),
    #[error("the private key could not be encoded as PKCS#8")]
    EncodeRsa(#[from] rsa::pkcs8::Error),
    #[error("the new key does not open")]
    Open(#[from] OpenError),
    #[error("no RSA key was found")]
    Primes(#[from] rsa::Error),
    #[error("the random bytes make no key")]
    Scalar(#[from] KeyRejected),
}

/// A new key. An RSA key takes tens of milliseconds and may take a second: not on an async worker.
///
/// # Errors
/// When a library refuses its own key; the randomness itself cannot fail.
pub fn generate(algorithm: Algorithm, entropy: &Entropy) -> Result<GeneratedKey, GenerateError> {
    let private_key = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => rsa_2048(entropy)?,
        Algorithm::ES256 => p256(entropy)?,
        Algorithm::EdDSA => ed25519(entropy)?,
    };
    let public_jwk = public_jwk(algorithm, &private_key)?;
    Ok(GeneratedKey { private_key, public_jwk })
}

/// The public key of a private one. A stored public key that differs from it does not belong to the private key.
///
/// # Errors
/// When `private_key` is no PKCS#8 key of this algorithm.
pub fn public_jwk(algorithm: Algorithm, private_key: &SecretBytes) -> Result<PublicJwk, OpenError> {
    LocalSigner::open(algorithm, private_key)?.public_jwk()
}

fn rsa_2048(entropy: &Entropy) -> Result<SecretBytes, GenerateError> {
    let key = rsa::PrivateKey::new(&mut entropy.clone(), RSA_BITS)?;
    Ok(SecretBytes::new(key.to_pkcs8_der()?.as_bytes().to_vec()))
}

/// FIPS 186-5 §A.2.2: take 256 random bits until they are a scalar below the group's order. The first nearly always
/// are: the order is 2^256 - 2^224 + a little. (aws-lc-rs would draw from a generator of its own.)
fn p256(entropy: &Entropy) -> Result<SecretBytes, GenerateError> {
    const ATTEMPTS: usize = 8;
    let mut attempt = p256_candidate(entropy);
    for _ in 1..ATTEMPTS {
        if attempt.is_ok() {
            break;
        }
        attempt = p256_candidate(entropy);
    }
    Ok(SecretBytes::new(attempt?.to_pkcs8v1()?.as_ref().to_vec()))
}

fn p256_candidate(entropy: &Entropy) -> Result<EcdsaKeyPair, GenerateError> {
    p256_of_scalar(&Zeroizing::new(entropy.bytes::<32>()))
}

/// The key pair of a private scalar, which must be from 1 to the group's order less 1.
pub(super) fn p256_of_scalar(scalar: &[u8; 32]) -> Result<EcdsaKeyPair, GenerateError> {
    // RFC 5915 §3 around the scalar, without the public key: version 1, OCTET STRING of 32, [0] prime256v1.
    const BEFORE: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
    const AFTER: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let der = Zeroizing::new([&BEFORE[..], &scalar[..], &AFTER[..]].concat());
    let without_public_key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)?;
    let public_key = ec_point(&without_public_key)?;
    // Once more with the public key, so that the stored PKCS#8 carries it, as other tools expect.
    Ok(EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, scalar, public_key.as_ref())?)
}

fn ec_point(pair: &EcdsaKeyPair) -> Result<EcPublicKeyUncompressedBin<'static>, Unspecified> {
    use aws_lc_rs::signature::KeyPair as _;
    pair.public_key().as_be_bytes()
}

fn ed25519(entropy: &Entropy) -> Result<SecretBytes, GenerateError> {
    let seed = Zeroizing::new(entropy.bytes::<32>());
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice())?;
    Ok(SecretBytes::new(pair.to_pkcs8v1()?.as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::jwk::Material;

    #[test]
    fn a_generated_key_opens_to_its_own_public_key_whose_kid_is_the_thumbprint() {
        for algorithm in Algorithm::ALL {
            let key = generate(algorithm, &Entropy::seeded(7)).unwrap();
            assert_eq!(public_jwk(algorithm, &key.private_key).unwrap(), key.public_jwk);
            assert_eq!(key.public_jwk.algorithm(), algorithm);
            assert_eq!(key.public_jwk.kid(), key.public_jwk.material().thumbprint());
        }
    }

    #[test]
    fn a_key_follows_from_the_entropy_alone() {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
            let kid = |seed| generate(algorithm, &Entropy::seeded(seed)).unwrap().public_jwk.kid().to_owned();
            assert_eq!(kid(1), kid(1));
            assert_ne!(kid(1), kid(2));
        }
    }

    #[test]
    fn an_rsa_key_has_2048_bits_and_the_usual_exponent() {
        let key = generate(Algorithm::PS256, &Entropy::seeded(3)).unwrap();
        let Material::Rsa { n, e } = key.public_jwk.material() else { panic!("an RSA key") };
        assert_eq!((n.len(), e.as_str()), (342, "AQAB"));
    }

    #[test]
    fn a_stored_elliptic_key_carries_its_public_key() {
        let key = generate(Algorithm::ES256, &Entropy::seeded(3)).unwrap();
        // RFC 5915 within RFC 5208: 138 bytes with the point, 67 without.
        assert_eq!(key.private_key.expose().len(), 138);
    }

    #[test]
    fn a_key_of_another_algorithm_does_not_open() {
        let key = generate(Algorithm::EdDSA, &Entropy::seeded(3)).unwrap();
        assert!(public_jwk(Algorithm::ES256, &key.private_key).is_err());
        assert!(public_jwk(Algorithm::RS256, &key.private_key).is_err());
        assert!(public_jwk(Algorithm::EdDSA, &SecretBytes::new(key.private_key.expose()[1..].to_vec())).is_err());
    }
}
