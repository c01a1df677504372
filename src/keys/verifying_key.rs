//! A public key parsed once, ready to verify: what a JWK must be before a signature is believed because of it
//! (RFC 7518 §3.3 and §6, FIPS 186-5 §5.1).

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::protocol::jwk::{Algorithm, Material, PublicJwk};

/// A public key and the one algorithm it verifies.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// Why a public JWK is not trusted with verifying.
#[derive(Debug, thiserror::Error)]
pub enum UnacceptableKey {
    #[error("a member of the key is not base64url without padding")]
    Base64(#[from] base64::DecodeError),
    #[error("a coordinate does not have 32 bytes")]
    Coordinate,
    #[error("the public exponent is not an odd number of 17 to 33 bits without leading zeros")]
    Exponent,
    #[error("the modulus does not have 2048 to 8192 bits without leading zeros")]
    Modulus,
    #[error("the numbers are not a public key")]
    Rejected(#[from] KeyRejected),
}

impl VerifyingKey {
    /// # Errors
    /// When the JWK's numbers make no acceptable key: a point off the curve, a weak or oversized RSA key (an oversized
    /// one would buy an attacker our processor's time).
    pub fn from_jwk(jwk: &PublicJwk) -> Result<Self, UnacceptableKey> {
        let algorithm = jwk.algorithm();
        let key = match jwk.material() {
            Material::Ec { x, y } => {
                // SEC 1 §2.3.3: 0x04 ‖ x ‖ y.
                let point = [&[4], coordinate(x)?.as_slice(), coordinate(y)?.as_slice()].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?
            }
            Material::Okp { x } => ParsedPublicKey::new(&ED25519, coordinate(x)?)?,
            Material::Rsa { n, e } => {
                let parameters: &'static RsaParameters = match algorithm {
                    Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus(n)?, e: exponent(e)? }.to_parsed_public_key(parameters)?
            }
        };
        Ok(Self { algorithm, key })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature`, in JWS form, is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

fn coordinate(base64url: &str) -> Result<Vec<u8>, UnacceptableKey> {
    let bytes = URL_SAFE_NO_PAD.decode(base64url)?;
    if bytes.len() == 32 { Ok(bytes) } else { Err(UnacceptableKey::Coordinate) }
}

fn modulus(base64url: &str) -> Result<Vec<u8>, UnacceptableKey> {
    let bytes = URL_SAFE_NO_PAD.decode(base64url)?;
    if (2048..=8192).contains(&bits(&bytes)) { Ok(bytes) } else { Err(UnacceptableKey::Modulus) }
}

fn exponent(base64url: &str) -> Result<Vec<u8>, UnacceptableKey> {
    let bytes = URL_SAFE_NO_PAD.decode(base64url)?;
    let odd = bytes.last().is_some_and(|last| last % 2 == 1);
    if odd && (17..=33).contains(&bits(&bytes)) { Ok(bytes) } else { Err(UnacceptableKey::Exponent) }
}

/// The length of a big-endian number; 0 for one with leading zeros, which RFC 7518 §2 (Base64urlUInt) does not know.
fn bits(number: &[u8]) -> usize {
    match number.first() {
        None | Some(0) => 0,
        Some(first) => number.len() * 8 - first.leading_zeros() as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(n: &[u8], e: &[u8]) -> Result<VerifyingKey, UnacceptableKey> {
        let material = Material::Rsa { n: URL_SAFE_NO_PAD.encode(n), e: URL_SAFE_NO_PAD.encode(e) };
        VerifyingKey::from_jwk(&PublicJwk::new(Algorithm::RS256, "k".into(), material).unwrap())
    }

    const F4: [u8; 3] = [1, 0, 1];

    #[test]
    fn an_rsa_modulus_has_2048_to_8192_bits() {
        assert!(rsa(&[0xff; 256], &F4).is_ok());
        assert!(rsa(&[0xff; 1024], &F4).is_ok());
        let mut one_bit_short = [0xff; 256];
        one_bit_short[0] = 0x7f;
        let leading_zero = [&[0], &[0xff; 256][..]].concat();
        for refused in [&one_bit_short[..], &leading_zero, &[0xff; 128], &[0xff; 1025], &[]] {
            assert!(matches!(rsa(refused, &F4), Err(UnacceptableKey::Modulus)));
        }
    }

    #[test]
    fn an_rsa_exponent_is_odd_and_of_17_to_33_bits() {
        assert!(rsa(&[0xff; 256], &[1, 0xff, 0xff, 0xff, 0xff]).is_ok());
        for refused in [&[1][..], &[3], &[1, 0, 0], &[0, 1, 0, 1], &[0xff, 0xff], &[2, 0, 0, 0, 1], &[]] {
            assert!(matches!(rsa(&[0xff; 256], refused), Err(UnacceptableKey::Exponent)), "{refused:?}");
        }
    }

    #[test]
    fn a_coordinate_has_32_bytes_in_strict_base64url() {
        let okp = |x: &str| {
            let material = Material::Okp { x: x.into() };
            VerifyingKey::from_jwk(&PublicJwk::new(Algorithm::EdDSA, "k".into(), material).unwrap())
        };
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert!(okp(x).is_ok());
        assert!(matches!(okp(&x[..42]), Err(UnacceptableKey::Coordinate | UnacceptableKey::Base64(_))));
        assert!(matches!(okp(&format!("{x}=")), Err(UnacceptableKey::Base64(_))));
        assert!(matches!(okp(&x.replace('o', "p")), Err(UnacceptableKey::Base64(_))), "trailing bits");
        assert!(matches!(okp("AAAA"), Err(UnacceptableKey::Coordinate)));
    }
}
