//! What makes a signature. [`Signer`] is the one place where a key held elsewhere (an HSM, a cloud's key service) would
//! plug in: all else knows a key by its public JWK and its times, and `ring::open_pair` alone makes signers of what is
//! stored. [`LocalSigner`], the one there is, holds the private key in memory, parsed once, because parsing costs as much
//! as signing.

use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;

use crate::protocol::jwk::{Algorithm, InvalidJwk, Material, PublicJwk};
use crate::secret::SecretBytes;

/// A private key that signs by one algorithm. Shared by all requests, without a lock: an implementation brings its own
/// synchronisation where it needs any. It is called on an async worker, once a token, and must not wait there: for a key
/// that is asked over a network, this method would have to become a future.
pub trait Signer: Send + Sync {
    /// The signature in JWS form (RFC 7518 §3: for ES256 the fixed 64 bytes R ‖ S, not DER).
    ///
    /// # Errors
    /// When the holder of the key does not sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the claims could not be written as JSON")]
    Claims(#[from] serde_json::Error),
    #[error("the signing key did not sign")]
    Key(#[from] Unspecified),
}

/// Why a stored private key was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the private key's public part is unreadable")]
    PublicKey(#[from] rsa::pkcs1::Error),
    #[error("the private key's public part is not of its algorithm")]
    PublicJwk(#[from] InvalidJwk),
    #[error("the private key is not a PKCS#8 key of its algorithm")]
    Rejected(#[from] KeyRejected),
}

/// A private key in this process's memory.
pub struct LocalSigner {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl LocalSigner {
    /// Parses a PKCS#8 private key.
    ///
    /// # Errors
    /// When it is no such key, or an RSA key outside 2048 to 8192 bits.
    pub fn open(algorithm: Algorithm, private_key: &SecretBytes) -> Result<Self, OpenError> {
        let pkcs8 = private_key.expose();
        let pair = match algorithm {
            Algorithm::RS256 => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8)?, &RSA_PKCS1_SHA256),
            Algorithm::PS256 => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8)?, &RSA_PSS_SHA256),
            Algorithm::ES256 => Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?),
            Algorithm::EdDSA => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8)?),
        };
        Ok(Self { algorithm, pair })
    }

    /// The public key, read from the private one; its kid is the thumbprint.
    ///
    /// # Errors
    /// None is known of: a key that opened has a public part.
    pub fn public_jwk(&self) -> Result<PublicJwk, OpenError> {
        let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let material = match &self.pair {
            Pair::Ecdsa(pair) => {
                // SEC 1 §2.3.3: 0x04 ‖ x ‖ y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                Material::Ec { x: base64url(x), y: base64url(y) }
            }
            Pair::Ed25519(pair) => Material::Okp { x: base64url(pair.public_key().as_ref()) },
            Pair::Rsa(pair, _) => {
                let public_key = rsa::PublicKey::from_pkcs1_der(pair.public_key().as_ref())?;
                Material::Rsa { n: base64url(&public_key.n_bytes()), e: base64url(&public_key.e_bytes()) }
            }
        };
        Ok(PublicJwk::with_thumbprint(self.algorithm, material)?)
    }
}

impl Signer for LocalSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        // aws-lc-rs takes a generator for ring's sake and does not use it.
        let unused = SystemRandom::new();
        Ok(match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&unused, message)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.try_sign(message)?.as_ref().to_vec(),
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &unused, message, &mut signature)?;
                signature
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::keys::generate::generate;
    use crate::keys::verifying_key::VerifyingKey;

    #[test]
    fn what_each_algorithm_signs_its_public_key_verifies_and_nothing_else() {
        for algorithm in Algorithm::ALL {
            let key = generate(algorithm, &Entropy::seeded(11)).unwrap();
            let signature = LocalSigner::open(algorithm, &key.private_key).unwrap().sign(b"message").unwrap();
            let verifying = VerifyingKey::from_jwk(&key.public_jwk).unwrap();
            assert!(verifying.verifies(b"message", &signature), "{algorithm}");
            assert!(!verifying.verifies(b"massage", &signature), "{algorithm}");
            assert!(!verifying.verifies(b"message", &signature[1..]), "{algorithm}");
        }
    }

    #[test]
    fn an_es256_signature_has_the_fixed_form() {
        let key = generate(Algorithm::ES256, &Entropy::seeded(12)).unwrap();
        let signer = LocalSigner::open(Algorithm::ES256, &key.private_key).unwrap();
        assert!((0..50).all(|_| signer.sign(b"message").unwrap().len() == 64));
    }

    #[test]
    fn rs256_and_ps256_signatures_of_one_key_do_not_pass_for_each_other() {
        let key = generate(Algorithm::RS256, &Entropy::seeded(13)).unwrap();
        let signature = LocalSigner::open(Algorithm::PS256, &key.private_key).unwrap().sign(b"message").unwrap();
        assert!(!VerifyingKey::from_jwk(&key.public_jwk).unwrap().verifies(b"message", &signature));
    }
}
