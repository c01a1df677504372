//! An issuer's keys and tokens, made for a test, a bench or the vectors, and gone with it.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part of it")]

use std::io::Write as _;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signet_verifier::Algorithm;

pub const ISSUER: &str = "https://id.example.org";
pub const AUDIENCE: &str = "https://api.example.org";
pub const NOW: i64 = 1_800_000_000;

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A private key and its name.
pub struct Signer {
    pub kid: String,
    pub algorithm: Algorithm,
    pair: Pair,
}

impl Signer {
    pub fn generate(algorithm: Algorithm, kid: &str) -> Self {
        let pair = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            Algorithm::ES256 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            Algorithm::ES384 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            Algorithm::EdDSA => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
        };
        Self { kid: kid.to_owned(), algorithm, pair }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                // RFC 8017 §A.1.1: of a 2048-bit key, 9 bytes stand before n and 2 before e, which is 65537.
                let der = pair.public_key().as_ref();
                assert_eq!((der.len(), &der[der.len() - 5..]), (270, &[2, 3, 1, 0, 1][..]));
                json!({"kty": "RSA", "n": encode(&der[9..265]), "e": encode(&der[267..])})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at((pair.public_key().as_ref().len() - 1) / 2);
                let crv = if self.algorithm == Algorithm::ES256 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
        };
        let common = json!({"kid": self.kid, "alg": self.algorithm.as_str(), "use": "sig"});
        jwk.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        jwk
    }

    /// As many libraries take it, and some by mistake for a secret.
    pub fn public_pem(&self) -> String {
        let Pair::Rsa(pair) = &self.pair else { panic!("an RSA key") };
        let base64 = base64::engine::general_purpose::STANDARD.encode(pair.public_key().as_ref());
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", lines.join("\n"))
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding: &dyn aws_lc_rs::signature::RsaEncoding =
                    if self.algorithm == Algorithm::RS256 { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    pub fn header(&self, typ: &str) -> Value {
        json!({"alg": self.algorithm.as_str(), "kid": self.kid, "typ": typ})
    }

    /// Whatever the header and the payload say.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = encode(self.signature(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub fn access_token(&self, claims: &Value) -> String {
        self.sign(&self.header("at+jwt").to_string(), &claims.to_string())
    }

    pub fn list_token(&self, claims: &Value) -> String {
        self.sign(&self.header("statuslist+jwt").to_string(), &claims.to_string())
    }
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn jwks<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> Value {
    json!({"keys": signers.into_iter().map(Signer::jwk).collect::<Vec<_>>()})
}

/// The claims of a token as signet issues them.
pub fn claims(issuer: &str, now: i64, index: u64) -> Value {
    json!({
        "iss": issuer, "sub": "0190f5c2-8a3f-7c31-9d2e-4f6a8b1c2d3e", "aud": AUDIENCE, "client_id": "reports",
        "scope": "reports:read reports:write", "iat": now, "exp": now + 900,
        "jti": "5f3c1b9e-2d4a-4f60-8c7b-1a2b3c4d5e6f", "grant_id": "0190f5c2-8a3f-7c31-9d2e-4f6a8b1c2d3f",
        "status": {"status_list": {"idx": index, "uri": format!("{issuer}/status-lists/7")}},
    })
}

/// The object with members of another set in it, or taken out where that one has `null`.
pub fn with(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    let Value::Object(changes) = changes else { panic!("an object") };
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    object
}

pub fn compress(bytes: &[u8]) -> String {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encode(encoder.finish().unwrap())
}

/// The claims of a list that is as long as `bytes`.
pub fn list_claims(issuer: &str, now: i64, bits: u8, bytes: &[u8]) -> Value {
    json!({
        "sub": format!("{issuer}/status-lists/7"), "iat": now, "exp": now + 3600, "ttl": 60,
        "status_list": {"bits": bits, "lst": compress(bytes)},
    })
}
