//! The numbers of a private key, whatever they were written in, and their checks.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use rsa::BoxedUint;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, RsaPrivateKeyRef, der::Decode as _};
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::traits::PrivateKeyParts as _;
use zeroize::Zeroizing;

use super::ImportError;
use crate::keys::generate::p256_of_scalar;
use crate::keys::weak;
use crate::protocol::jwk::Algorithm;
use crate::secret::SecretBytes;

/// A private number, big-endian.
pub(super) type Number = Zeroizing<Vec<u8>>;

pub(super) enum PrivateKey {
    /// The point is in one of the forms of SEC 1 §2.3.3.
    Ec {
        scalar: Number,
        point: Option<Vec<u8>>,
    },
    Ed25519 {
        seed: Number,
        public_key: Option<Vec<u8>>,
    },
    Rsa(RsaNumbers),
}

/// RFC 8017 §3.2.
pub(super) struct RsaNumbers {
    pub n: Vec<u8>,
    pub e: Vec<u8>,
    pub d: Number,
    /// A JWK may lack them; they are computed then.
    pub primes: Option<RsaPrimes>,
}

pub(super) struct RsaPrimes {
    pub p: Number,
    pub q: Number,
    pub dp: Number,
    pub dq: Number,
    pub qi: Number,
}

impl PrivateKey {
    /// What it can sign by; the first one where nobody says which.
    pub fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Ec { .. } => &[Algorithm::ES256],
            Self::Ed25519 { .. } => &[Algorithm::EdDSA],
            Self::Rsa(_) => &[Algorithm::RS256, Algorithm::PS256],
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ec { .. } => "an EC key on P-256",
            Self::Ed25519 { .. } => "an Ed25519 key",
            Self::Rsa(_) => "an RSA key",
        }
    }

    /// Encodes it as `generate` does.
    pub fn into_pkcs8(self) -> Result<SecretBytes, ImportError> {
        match self {
            Self::Ec { scalar, point } => ec(&scalar, point.as_deref()),
            Self::Ed25519 { seed, public_key } => ed25519(&seed, public_key.as_deref()),
            Self::Rsa(numbers) => rsa(&numbers),
        }
    }
}

fn ec(scalar: &[u8], point: Option<&[u8]>) -> Result<SecretBytes, ImportError> {
    let scalar = scalar.try_into().map_err(|_| ImportError::Malformed)?;
    let pair = p256_of_scalar(scalar).map_err(|_| ImportError::Inconsistent)?;
    if point.is_some_and(|point| !is_point(point, pair.public_key().as_ref())) {
        return Err(ImportError::Inconsistent);
    }
    let document = pair.to_pkcs8v1().map_err(|_| ImportError::Malformed)?;
    Ok(SecretBytes::new(document.as_ref().to_vec()))
}

/// Whether `point` is `uncompressed` (0x04 ‖ x ‖ y) or its compressed form (0x02 or 0x03 by the last bit of y, ‖ x).
fn is_point(point: &[u8], uncompressed: &[u8]) -> bool {
    match point {
        [form @ (2 | 3), x @ ..] => {
            *x == uncompressed[1..33] && uncompressed.last().is_some_and(|last| last % 2 == form % 2)
        }
        other => other == uncompressed,
    }
}

fn ed25519(seed: &[u8], public_key: Option<&[u8]>) -> Result<SecretBytes, ImportError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| ImportError::Malformed)?;
    if public_key.is_some_and(|public_key| public_key != pair.public_key().as_ref()) {
        return Err(ImportError::Inconsistent);
    }
    let document = pair.to_pkcs8v1().map_err(|_| ImportError::Malformed)?;
    Ok(SecretBytes::new(document.as_ref().to_vec()))
}

fn rsa(numbers: &RsaNumbers) -> Result<SecretBytes, ImportError> {
    // First, so that no work is done on numbers of absurd length.
    weak::check_public(&numbers.n, &numbers.e)?;
    let modulus_bits = weak::bits(&numbers.n);
    let number = |bytes: &[u8]| {
        let precision = u32::try_from(modulus_bits).map_err(|_| ImportError::Malformed)?;
        BoxedUint::from_be_slice(significant(bytes), precision).map_err(|_| ImportError::Inconsistent)
    };
    let primes = match &numbers.primes {
        Some(RsaPrimes { p, q, .. }) => vec![number(p)?, number(q)?],
        None => Vec::new(),
    };
    // The rsa crate checks that n = p·q and that d is the inverse of e, or finds p and q.
    let key = rsa::PrivateKey::from_components(
        number(&numbers.n)?,
        BoxedUint::from_be_slice_vartime(significant(&numbers.e)),
        number(&numbers.d)?,
        primes,
    )
    .map_err(|_| ImportError::Inconsistent)?;
    let [p, q] = key.primes() else { return Err(ImportError::MultiPrime) };
    weak::check_primes(p.as_ref(), q.as_ref(), modulus_bits)?;
    if let Some(given) = &numbers.primes {
        has_these_crt_numbers(&key, given)?;
    }
    let document = key.to_pkcs8_der().map_err(|_| ImportError::Inconsistent)?;
    Ok(SecretBytes::new(document.as_bytes().to_vec()))
}

/// A file whose exponents for the Chinese remainder theorem are wrong was damaged, or meant to make a faulty signature
/// that gives the key away.
fn has_these_crt_numbers(key: &rsa::PrivateKey, given: &RsaPrimes) -> Result<(), ImportError> {
    let document = key.to_pkcs1_der().map_err(|_| ImportError::Inconsistent)?;
    let computed = RsaPrivateKeyRef::from_der(document.as_bytes()).map_err(|_| ImportError::Inconsistent)?;
    let agrees = significant(&given.dp) == significant(computed.exponent1.as_bytes())
        && significant(&given.dq) == significant(computed.exponent2.as_bytes())
        && significant(&given.qi) == significant(computed.coefficient.as_bytes());
    if agrees { Ok(()) } else { Err(ImportError::Inconsistent) }
}

/// Without the zeros that a number may begin with.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
