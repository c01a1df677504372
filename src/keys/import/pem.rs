//! Private keys in PEM (RFC 7468): PKCS#1 (RFC 8017 §A.1.2), PKCS#8 (RFC 5958), encrypted PKCS#8 (RFC 8018 §6.2, PBES2)
//! and SEC1 (RFC 5915).

use rsa::pkcs1::{self, RsaPrivateKeyRef};
use rsa::pkcs8::der::{self, Decode as _, asn1::OctetStringRef};
use rsa::pkcs8::pkcs5::EncryptionScheme;
use rsa::pkcs8::pkcs5::pbes2::{Kdf, Pbkdf2Prf};
use rsa::pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use super::ImportError;
use super::private_key::{PrivateKey, RsaNumbers, RsaPrimes};
use crate::secret::Secret;

/// RFC 8017 §A.1, RFC 4055 §3.1.
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// RFC 5480 §2.1.1, for every curve.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What deriving a key may cost: half a minute, and 1 GiB.
const MAX_PBKDF2_ITERATIONS: u32 = 20_000_000;
const MAX_SCRYPT_MEMORY: u64 = 1 << 30;
const MAX_SCRYPT_PARALLELIZATION: u16 = 16;

const BEGIN: &str = "-----BEGIN ";

/// A block from its first line to its last.
struct Block<'a> {
    label: &'a str,
    text: &'a str,
}

/// The blocks of a file; what stands between them is explanation (RFC 7468 §2). Parameters that OpenSSL writes before
/// an EC key are repeated in it.
fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let starts = text.match_indices(BEGIN).map(|(at, _)| at);
    let blocks = starts.filter_map(|at| {
        let text = &text[at..];
        let label = text[BEGIN.len()..].split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let length = text.find(&end)? + end.len();
        Some(Block { label, text: &text[..length] })
    });
    blocks.filter(|block| block.label != "EC PARAMETERS")
}

pub(super) fn is_encrypted(file: &[u8]) -> bool {
    let text = std::str::from_utf8(file).unwrap_or_default();
    blocks(text).any(|block| block.label == "ENCRYPTED PRIVATE KEY")
}

pub(super) fn read(text: &str, passphrase: Option<&Secret>) -> Result<PrivateKey, ImportError> {
    let blocks: Vec<Block<'_>> = blocks(text).collect();
    let (private, public): (Vec<_>, Vec<_>) = blocks.iter().partition(|block| block.label.ends_with("PRIVATE KEY"));
    let block = match private[..] {
        [only] => only,
        [] if !public.is_empty() => return Err(ImportError::PublicOnly),
        [] if text.contains(BEGIN) => return Err(ImportError::Pem),
        [] => return Err(ImportError::Form),
        _ => return Err(ImportError::Several(private.len())),
    };
    if block.text.contains("Proc-Type:") {
        return Err(ImportError::LegacyEncryption);
    }
    let (_, der) = der::pem::decode_vec(block.text.as_bytes()).map_err(|_| ImportError::Pem)?;
    let der = Zeroizing::new(der);
    match block.label {
        "PRIVATE KEY" => pkcs8(&der),
        "ENCRYPTED PRIVATE KEY" => {
            let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded)?;
            decrypted(&der, passphrase)
        }
        "RSA PRIVATE KEY" => pkcs1(&der),
        "EC PRIVATE KEY" => sec1(&der, None),
        "OPENSSH PRIVATE KEY" => Err(ImportError::OpenSsh),
        "DSA PRIVATE KEY" => Err(ImportError::KeyType("a DSA key")),
        _ => Err(ImportError::Pem),
    }
}

fn pkcs8(der: &[u8]) -> Result<PrivateKey, ImportError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| ImportError::Malformed)?;
    let bytes = info.private_key.as_bytes();
    match info.algorithm.oid {
        pkcs1::ALGORITHM_OID => pkcs1(bytes),
        RSA_PSS => Err(ImportError::RsaPssOnly),
        EC_PUBLIC_KEY => sec1(bytes, Some(info.algorithm.parameters_oid().map_err(|_| ImportError::Malformed)?)),
        ED25519 => {
            let seed = <&OctetStringRef>::from_der(bytes).map_err(|_| ImportError::Malformed)?;
            let public_key = info.public_key.and_then(|bits| bits.as_bytes()).map(<[u8]>::to_vec);
            Ok(PrivateKey::Ed25519 { seed: Zeroizing::new(seed.as_bytes().to_vec()), public_key })
        }
        _ => Err(ImportError::KeyType("of another type")),
    }
}

fn decrypted(der: &[u8], passphrase: &Secret) -> Result<PrivateKey, ImportError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| ImportError::Scheme)?;
    if !is_affordable(&info.encryption_algorithm) {
        return Err(ImportError::Scheme);
    }
    // A wrong passphrase gives bytes that are no DER.
    let opened = info.decrypt(passphrase.expose()).map_err(|_| ImportError::Passphrase)?;
    pkcs8(opened.as_bytes())
}

/// Whether the scheme is one of those that are supported, and its work within reason.
fn is_affordable(scheme: &EncryptionScheme) -> bool {
    match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(kdf)) => kdf.prf != Pbkdf2Prf::HmacWithSha1 && kdf.iteration_count <= MAX_PBKDF2_ITERATIONS,
        Some(Kdf::Scrypt(kdf)) => {
            let memory = kdf.cost_parameter.saturating_mul(128).saturating_mul(u64::from(kdf.block_size));
            memory <= MAX_SCRYPT_MEMORY && kdf.parallelization <= MAX_SCRYPT_PARALLELIZATION
        }
        _ => false,
    }
}

fn pkcs1(der: &[u8]) -> Result<PrivateKey, ImportError> {
    let key = RsaPrivateKeyRef::from_der(der).map_err(|_| ImportError::Malformed)?;
    if key.other_prime_infos.is_some() {
        return Err(ImportError::MultiPrime);
    }
    let private = |number: pkcs1::UintRef<'_>| Zeroizing::new(number.as_bytes().to_vec());
    Ok(PrivateKey::Rsa(RsaNumbers {
        n: key.modulus.as_bytes().to_vec(),
        e: key.public_exponent.as_bytes().to_vec(),
        d: private(key.private_exponent),
        primes: Some(RsaPrimes {
            p: private(key.prime1),
            q: private(key.prime2),
            dp: private(key.exponent1),
            dq: private(key.exponent2),
            qi: private(key.coefficient),
        }),
    }))
}

/// The curve stands in the PKCS#8 wrapping or, without one, in the key.
fn sec1(der: &[u8], curve: Option<ObjectIdentifier>) -> Result<PrivateKey, ImportError> {
    let key = EcPrivateKey::try_from(der).map_err(|_| ImportError::Malformed)?;
    let own = key.parameters.and_then(EcParameters::named_curve);
    if curve.or(own).is_none() || [curve, own].into_iter().flatten().any(|curve| curve != P256) {
        return Err(ImportError::KeyType("an EC key on another curve"));
    }
    let scalar = Zeroizing::new(key.private_key.to_vec());
    Ok(PrivateKey::Ec { scalar, point: key.public_key.map(<[u8]>::to_vec) })
}
