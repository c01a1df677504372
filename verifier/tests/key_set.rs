//! Which keys of a set are used, and published signatures under published keys.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signet_verifier::{Algorithm, KeyError, KeySet};
use support::{Signer, jwks, with};

fn published(file: &str) -> Value {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn read(keys: &[Value]) -> KeySet {
    KeySet::from_json(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

/// Why the only key of a set is passed over.
fn reason(key: Value) -> KeyError {
    let set = read(&[key]);
    assert!(set.keys().is_empty());
    set.ignored().next().unwrap().1
}

/// The public half of a published key.
fn public(jwk: &Value, alg: &str) -> Value {
    let private = json!({"d": null, "p": null, "q": null, "dp": null, "dq": null, "qi": null});
    with(with(jwk.clone(), private), json!({"alg": alg, "kid": "k"}))
}

#[test]
fn the_cookbooks_rs256_signature_is_good_and_no_other() {
    let vector = published("jws_4_1.rsa_v15_signature.json");
    let (signed, signature) = vector["output"]["compact"].as_str().unwrap().rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let set = read(&[public(&vector["input"]["key"], "RS256")]);
    assert!(set.find("k").unwrap().verifies(signed.as_bytes(), &signature));
    assert!(!set.find("k").unwrap().verifies(&signed.as_bytes()[1..], &signature));
    let pss = read(&[public(&vector["input"]["key"], "PS256")]);
    assert!(!pss.find("k").unwrap().verifies(signed.as_bytes(), &signature));
}

#[test]
fn the_ed25519_signature_of_rfc_8037_is_good() {
    let vector = published("curve25519_jws.json");
    let message = vector["signing"]["sig-input"].as_str().unwrap();
    let signature = URL_SAFE_NO_PAD.decode(vector["signing"]["sig"].as_str().unwrap()).unwrap();
    let set = read(&[public(&vector["input"]["key"], "EdDSA")]);
    assert!(set.find("k").unwrap().verifies(message.as_bytes(), &signature));
}

#[test]
fn the_cookbooks_p521_key_is_passed_over() {
    let vector = published("jws_4_3.ecdsa_signature.json");
    assert_eq!(reason(public(&vector["input"]["key"], "ES512")), KeyError::KeyType);
    assert_eq!(reason(public(&vector["input"]["key"], "ES256")), KeyError::KeyType);
}

#[test]
fn what_is_no_public_signature_key_is_passed_over_and_the_others_are_used() {
    let good = Signer::generate(Algorithm::ES256, "good").jwk();
    let changed = |changes: Value| reason(with(good.clone(), changes));
    assert_eq!(changed(json!({"use": "enc"})), KeyError::Use);
    assert_eq!(changed(json!({"key_ops": ["sign"]})), KeyError::KeyOps);
    assert_eq!(changed(json!({"kid": null})), KeyError::NoKid);
    assert_eq!(changed(json!({"d": "AAAA"})), KeyError::Private);
    assert_eq!(changed(json!({"alg": "RS256"})), KeyError::KeyType);
    assert_eq!(changed(json!({"alg": "HS256"})), KeyError::KeyType);
    assert_eq!(changed(json!({"y": null})), KeyError::KeyType);
    assert_eq!(changed(json!({"x": "AAAA"})), KeyError::Coordinate);
    assert_eq!(changed(json!({"x": good["y"]})), KeyError::Rejected);
    assert_eq!(changed(json!({"x": format!("{}=", good["x"].as_str().unwrap())})), KeyError::Base64);
    assert_eq!(reason(json!({"kty": "oct", "k": "AAAA", "kid": "h", "alg": "HS256"})), KeyError::KeyType);

    let rsa = Signer::generate(Algorithm::RS256, "rsa").jwk();
    let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
    assert_eq!(reason(with(rsa.clone(), json!({"n": short}))), KeyError::Modulus);
    assert_eq!(reason(with(rsa.clone(), json!({"e": "Aw"}))), KeyError::Exponent);
    assert_eq!(reason(with(rsa.clone(), json!({"alg": null}))), KeyError::KeyType, "RS256 or PS256?");

    let twin = Signer::generate(Algorithm::ES256, "twin").jwk();
    let set = read(&[twin.clone(), rsa, with(twin, json!({"use": "enc"})), with(good, json!({"alg": null}))]);
    let used: Vec<_> = set.keys().iter().map(|key| (key.kid(), key.algorithm())).collect();
    assert_eq!(used, [("rsa", Algorithm::RS256), ("good", Algorithm::ES256)]);
    assert!(set.ignored().all(|(kid, error)| (kid, error) == (Some("twin"), KeyError::RepeatedKid)));
    assert_eq!(set.ignored().count(), 2);
}

#[test]
fn a_document_that_is_no_key_set_is_an_error() {
    let repeated = r#"{"keys":[],"keys":[]}"#;
    let many = jwks(&(0..129).map(|n| Signer::generate(Algorithm::EdDSA, &n.to_string())).collect::<Vec<_>>());
    for refused in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, repeated, &many.to_string()] {
        assert!(KeySet::from_json(refused.as_bytes()).is_err(), "{refused:.80}");
    }
    assert!(KeySet::from_json(br#"{"keys":[]}"#).unwrap().keys().is_empty());
}
