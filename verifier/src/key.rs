//! One public key, parsed once: what a JWK must be before a signature is believed because of it (RFC 7517 §4, RFC 7518
//! §6, RFC 8037 §2, FIPS 186-5 §5.1).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Algorithm;
use crate::json::{OneOrMany, Text, Unread, object};

/// A public key and the one algorithm it verifies.
#[derive(Clone, Debug)]
pub struct Key {
    kid: Box<str>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// Why a JWK is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A member of the key is not base64url without padding.
    #[error("a member of the key is not base64url without padding")]
    Base64,
    /// A coordinate has not the length that the curve demands.
    #[error("a coordinate has not the length that the curve demands")]
    Coordinate,
    /// Not an odd number of 17 to 33 bits.
    #[error("the public exponent is not an odd number of 17 to 33 bits without leading zeros")]
    Exponent,
    /// `key_ops` does not list `verify`.
    #[error("\"key_ops\" does not list \"verify\"")]
    KeyOps,
    /// Of another type, for another algorithm, or without a member that it needs.
    #[error("\"kty\", \"crv\" and \"alg\" do not make a key that is used here, or a member of the key is missing")]
    KeyType,
    /// No `kid`: no token can name it.
    #[error("it has no \"kid\"")]
    NoKid,
    /// Too short to be safe, or so long that verifying is a burden.
    #[error("the modulus does not have 2048 to 8192 bits without leading zeros")]
    Modulus,
    /// A private key, which everyone who can read the set now has.
    #[error("it is a private key")]
    Private,
    /// As a point that is not on the curve.
    #[error("the numbers are not a public key")]
    Rejected,
    /// Two keys of the set have its `kid`.
    #[error("another key of the set has the same \"kid\"")]
    RepeatedKid,
    /// `use` is not `sig`.
    #[error("\"use\" is not \"sig\"")]
    Use,
}

object! {
    Jwk<'a> {
        kty: Text<'a> = "kty",
        crv: Text<'a> = "crv",
        x: Text<'a> = "x",
        y: Text<'a> = "y",
        n: Text<'a> = "n",
        e: Text<'a> = "e",
        kid: Text<'a> = "kid",
        alg: Text<'a> = "alg",
        r#use: Text<'a> = "use",
        key_ops: OneOrMany<'a> = "key_ops",
        d: Unread = "d",
        k: Unread = "k",
    }
}

impl Key {
    /// The name by which tokens refer to it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The only algorithm that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature`, in JWS form, is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    pub(crate) fn from_jwk(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        if jwk.d.is_some() {
            return Err(KeyError::Private);
        }
        if jwk.r#use.as_ref().is_some_and(|r#use| r#use.as_str() != "sig") {
            return Err(KeyError::Use);
        }
        if jwk.key_ops.as_ref().is_some_and(|ops| !ops.0.iter().any(|op| op.as_str() == "verify")) {
            return Err(KeyError::KeyOps);
        }
        let algorithm = algorithm(jwk).ok_or(KeyError::KeyType)?;
        let key = match algorithm {
            Algorithm::ES256 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(jwk, 32)?).map_err(|_| KeyError::Rejected)?
            }
            Algorithm::ES384 => {
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(jwk, 48)?).map_err(|_| KeyError::Rejected)?
            }
            Algorithm::EdDSA => {
                let x = coordinate(jwk.x.as_ref(), 32)?;
                ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyError::Rejected)?
            }
            Algorithm::RS256 => rsa(jwk, &RSA_PKCS1_2048_8192_SHA256)?,
            Algorithm::PS256 => rsa(jwk, &RSA_PSS_2048_8192_SHA256)?,
        };
        let kid = jwk.kid.as_ref().ok_or(KeyError::NoKid)?;
        Ok(Self { kid: kid.as_str().into(), algorithm, key })
    }
}

/// The algorithm of a JWK: what its `alg` says, which its type and curve must bear out. An RSA key has to say it, the
/// others are for one only.
fn algorithm(jwk: &Jwk<'_>) -> Option<Algorithm> {
    let stated = match &jwk.alg {
        None => None,
        Some(alg) => Some(Algorithm::from_name(alg.as_str())?),
    };
    let by_type = match (jwk.kty.as_ref()?.as_str(), jwk.crv.as_ref().map(Text::as_str)) {
        ("EC", Some("P-256")) => Algorithm::ES256,
        ("EC", Some("P-384")) => Algorithm::ES384,
        ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
        ("RSA", _) => return stated.filter(|alg| matches!(alg, Algorithm::RS256 | Algorithm::PS256)),
        _ => return None,
    };
    stated.is_none_or(|stated| stated == by_type).then_some(by_type)
}

fn rsa(jwk: &Jwk<'_>, parameters: &'static RsaParameters) -> Result<ParsedPublicKey, KeyError> {
    let n = number(jwk.n.as_ref(), 2048..=8192, KeyError::Modulus)?;
    let e = number(jwk.e.as_ref(), 17..=33, KeyError::Exponent)?;
    if e.last().is_some_and(|last| last % 2 == 0) {
        return Err(KeyError::Exponent);
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| KeyError::Rejected)
}

/// SEC 1 §2.3.3: 0x04 ‖ x ‖ y.
fn point(jwk: &Jwk<'_>, length: usize) -> Result<Vec<u8>, KeyError> {
    let x = coordinate(jwk.x.as_ref(), length)?;
    let y = coordinate(jwk.y.as_ref(), length)?;
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

fn coordinate(member: Option<&Text<'_>>, length: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = decode(member)?;
    if bytes.len() == length { Ok(bytes) } else { Err(KeyError::Coordinate) }
}

/// A big-endian number of so many bits, without leading zeros (RFC 7518 §2, Base64urlUInt).
fn number(
    member: Option<&Text<'_>>,
    bits: std::ops::RangeInclusive<usize>,
    otherwise: KeyError,
) -> Result<Vec<u8>, KeyError> {
    let bytes = decode(member)?;
    let length = match bytes.first() {
        None | Some(0) => 0,
        Some(first) => bytes.len() * 8 - first.leading_zeros() as usize,
    };
    if bits.contains(&length) { Ok(bytes) } else { Err(otherwise) }
}

fn decode(member: Option<&Text<'_>>) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD.decode(member.ok_or(KeyError::KeyType)?.as_str()).map_err(|_| KeyError::Base64)
}
