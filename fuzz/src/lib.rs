//! What several targets need: an issuer's key that signs whatever it is given, and the vectors for verifiers.

use std::io::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signet::keys::verifying_key::VerifyingKey;
use signet_verifier::{KeySet, Policy, UnixTime};

pub const ISSUER: &str = "https://id.example.org";
pub const AUDIENCE: &str = "https://api.example.org";
pub const LIST: &str = "https://id.example.org/status-lists/1";
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub const KID: &str = "fuzz";

/// Header members that no token may have, whatever they hold.
pub const FORBIDDEN: [&str; 8] = ["b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"];

/// The same in every run, so that what was found is found again.
static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"));

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let keys = json!({ "keys": [jwk()] });
    KeySet::from_json(keys.to_string().as_bytes()).expect("a key set")
});

static KEY: LazyLock<VerifyingKey> = LazyLock::new(|| {
    let jwk = serde_json::from_value(jwk()).expect("a public key");
    VerifyingKey::from_jwk(&jwk).expect("an acceptable key")
});

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/vectors/access_tokens.json")).expect("the vectors are JSON")
});

fn jwk() -> Value {
    let x = URL_SAFE_NO_PAD.encode(PAIR.public_key().as_ref());
    json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KID, "x": x })
}

pub fn keys() -> &'static KeySet {
    &KEYS
}

pub fn verifying_key() -> &'static VerifyingKey {
    &KEY
}

pub fn vectors() -> &'static Value {
    &VECTORS
}

pub fn policy() -> Policy {
    Policy::new(ISSUER, AUDIENCE)
}

/// A token whose signature is right, whatever stands in it.
pub fn sign(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(PAIR.sign(signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

/// As `lst` of a status list has its entries.
pub fn compress(bytes: &[u8]) -> String {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes all");
    URL_SAFE_NO_PAD.encode(encoder.finish().expect("a Vec takes all"))
}

/// The input in two, at its first NUL.
pub fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let at = input.iter().position(|byte| *byte == 0);
    at.map_or((input, &[]), |at| (&input[..at], &input[at + 1..]))
}
