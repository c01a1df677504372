//! Writes keys for other programs: public ones as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in PEM, private ones as PKCS#8
//! encrypted to a passphrase (RFC 5958 §3, RFC 8018 §6.2). Nothing writes a private key in clear.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs1::{self, RsaPublicKeyRef, UintRef};
use rsa::pkcs8::der::asn1::{AnyRef, BitStringRef};
use rsa::pkcs8::der::{self, Encode as _};
use rsa::pkcs8::pkcs5::{self, pbes2};
use rsa::pkcs8::{
    self, AlgorithmIdentifierRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef,
};

use crate::entropy::Entropy;
use crate::protocol::jwk::{Material, PublicJwk};
use crate::secret::{Secret, SecretBytes};

/// PBKDF2-HMAC-SHA-256, as OWASP's cheat sheet on password storage has it; every tool reads it, which scrypt is not true of.
const PBKDF2_ITERATIONS: u32 = 600_000;

/// An exported file is guessed at without limit and for ever, so its passphrase is as long as a password that stands
/// alone (NIST SP 800-63B-4 §3.1.1.2).
const SHORTEST_PASSPHRASE: usize = 15;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("has {0} characters: one that protects a private key needs {SHORTEST_PASSPHRASE}")]
    ShortPassphrase(usize),
    #[error("a member of the public key is not base64url")]
    Base64(#[from] base64::DecodeError),
    #[error("the key could not be encoded")]
    Der(#[from] der::Error),
    #[error("the key could not be encoded as PEM")]
    Pem(#[from] der::pem::Error),
    #[error("the private key could not be encrypted")]
    Pkcs5(#[from] pkcs5::Error),
    #[error("the private key could not be encrypted")]
    Pkcs8(#[from] pkcs8::Error),
}

/// # Errors
/// None is known of for the JWK of a key that was opened.
pub fn public_pem(jwk: &PublicJwk) -> Result<String, ExportError> {
    let number = |base64url: &String| URL_SAFE_NO_PAD.decode(base64url);
    let (algorithm, key) = match jwk.material() {
        Material::Ec { x, y } => {
            let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&P256)) };
            // SEC 1 §2.3.3: 0x04 ‖ x ‖ y.
            (algorithm, [&[4][..], &number(x)?, &number(y)?].concat())
        }
        Material::Okp { x } => (AlgorithmIdentifierRef { oid: ED25519, parameters: None }, number(x)?),
        Material::Rsa { n, e } => {
            let (n, e) = (number(n)?, number(e)?);
            let key = RsaPublicKeyRef { modulus: UintRef::new(&n)?, public_exponent: UintRef::new(&e)? };
            (pkcs1::ALGORITHM_ID, key.to_der()?)
        }
    };
    let info = SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(&key)? };
    Ok(der::pem::encode_string("PUBLIC KEY", LineEnding::LF, &info.to_der()?)?)
}

/// `private_key` is PKCS#8 in DER. Takes some tenths of a second: not on an async worker.
///
/// # Errors
/// When the passphrase is too short.
pub fn encrypted_pem(private_key: &SecretBytes, passphrase: &Secret, entropy: &Entropy) -> Result<String, ExportError> {
    let length = passphrase.expose().chars().count();
    if length < SHORTEST_PASSPHRASE {
        return Err(ExportError::ShortPassphrase(length));
    }
    let (salt, iv) = (entropy.bytes::<16>(), entropy.bytes::<16>());
    let scheme = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ITERATIONS, &salt, iv)?;
    let info = PrivateKeyInfoRef::try_from(private_key.expose())?;
    let encrypted = info.encrypt_with_params(scheme, passphrase.expose())?;
    Ok(der::pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, encrypted.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use crate::keys::import::{self, Stated};
    use crate::protocol::jwk::Algorithm;

    const PASSPHRASE: &str = "correct horse battery staple";

    fn with(passphrase: &str) -> Stated {
        Stated { passphrase: Some(Secret::new(passphrase)), ..Stated::default() }
    }

    #[test]
    fn an_exported_private_key_is_imported_again_by_its_passphrase_alone() {
        for algorithm in Algorithm::ALL {
            let key = generate(algorithm, &Entropy::seeded(31)).unwrap();
            let pem = encrypted_pem(&key.private_key, &Secret::new(PASSPHRASE), &Entropy::seeded(32)).unwrap();
            assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{pem}");
            let file = SecretBytes::new(pem.into_bytes());
            let stated = Stated { algorithm: Some(algorithm), ..with(PASSPHRASE) };
            let imported = import::read(&file, stated).unwrap();
            assert_eq!(imported.public_jwk, key.public_jwk);
            assert_eq!(imported.private_key.expose(), key.private_key.expose());
            assert!(import::read(&file, with("correct horse battery stable")).is_err());
            assert!(import::read(&file, Stated::default()).is_err());
        }
    }

    #[test]
    fn a_short_passphrase_protects_nothing() {
        let key = generate(Algorithm::EdDSA, &Entropy::seeded(31)).unwrap();
        let export = |passphrase: &str| encrypted_pem(&key.private_key, &Secret::new(passphrase), &Entropy::seeded(1));
        assert!(matches!(export("fourteen chars"), Err(ExportError::ShortPassphrase(14))));
        assert!(matches!(export("ééééééééé"), Err(ExportError::ShortPassphrase(9))), "characters, not bytes");
        assert!(export("fifteen letters").is_ok());
    }

    #[test]
    fn the_key_is_derived_by_600_000_rounds_with_a_fresh_salt() {
        let key = generate(Algorithm::EdDSA, &Entropy::seeded(31)).unwrap();
        let entropy = Entropy::seeded(33);
        let scheme = || {
            let pem = encrypted_pem(&key.private_key, &Secret::new(PASSPHRASE), &entropy).unwrap();
            let (_, der) = der::pem::decode_vec(pem.as_bytes()).unwrap();
            pkcs8::EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).unwrap().encryption_algorithm
        };
        let (first, second) = (scheme(), scheme());
        let first = first.pbes2().unwrap();
        let kdf = first.kdf.pbkdf2().unwrap();
        assert_eq!((kdf.iteration_count, kdf.prf), (600_000, pbes2::Pbkdf2Prf::HmacWithSha256));
        assert!(matches!(first.encryption, pbes2::EncryptionScheme::Aes256Cbc { .. }));
        let second = second.pbes2().unwrap();
        assert_ne!(second.kdf.pbkdf2().unwrap().salt, kdf.salt);
        assert_ne!(second.encryption, first.encryption, "the initialization vector");
    }

    #[test]
    fn a_public_key_is_written_as_openssl_does() {
        let file = |name: &str| {
            let path = format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read(path).unwrap()
        };
        for name in ["test-rsa-2048", "test-p256", "test-ed25519"] {
            let private = SecretBytes::new(file(&format!("{name}.pkcs8.pem")));
            let jwk = import::read(&private, Stated::default()).unwrap().public_jwk;
            assert_eq!(public_pem(&jwk).unwrap().as_bytes(), file(&format!("{name}.public.pem")), "{name}");
        }
    }
}
