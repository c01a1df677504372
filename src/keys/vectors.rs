//! Published test vectors: the JOSE cookbook (RFC 7520, RFC 8037) and Wycheproof's JWS and JWK collections.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::keys::signer::{LocalSigner, Signer as _};
use crate::keys::verify::{Reject, UnverifiedToken};
use crate::keys::verifying_key::VerifyingKey;
use crate::protocol::jwk::{Algorithm, PublicJwk};
use crate::secret::SecretBytes;

fn vectors(file: &str) -> Value {
    let path = format!("{}/tests/fixtures/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The public half of a published key, under a stated algorithm where the vector states none.
fn key(jwk: &Value, algorithm: Option<Algorithm>) -> Result<VerifyingKey, String> {
    let mut jwk = jwk.clone();
    let members = jwk.as_object_mut().unwrap();
    members.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
    members.entry("kid").or_insert_with(|| "unnamed".into());
    if let Some(algorithm) = algorithm {
        members.insert("alg".into(), algorithm.as_str().into());
    }
    let jwk: PublicJwk = serde_json::from_value(jwk).map_err(|error| error.to_string())?;
    VerifyingKey::from_jwk(&jwk).map_err(|error| error.to_string())
}

fn verify(jws: &str, key: &VerifyingKey) -> Result<Vec<u8>, Reject> {
    UnverifiedToken::parse(jws).and_then(|token| token.verify(key).map(<[u8]>::to_vec))
}

#[test]
fn the_cookbooks_rs256_signature_verifies_under_a_record_that_says_rs256_only() {
    let vector = vectors("jws_4_1.rsa_v15_signature.json");
    let jws = vector["output"]["compact"].as_str().unwrap();
    let rs256 = key(&vector["input"]["key"], Some(Algorithm::RS256)).unwrap();
    assert_eq!(verify(jws, &rs256).unwrap(), vector["input"]["payload"].as_str().unwrap().as_bytes());
    let ps256 = key(&vector["input"]["key"], Some(Algorithm::PS256)).unwrap();
    let mismatch = Reject::AlgorithmMismatch { header: Algorithm::RS256, key: Algorithm::PS256 };
    assert_eq!(verify(jws, &ps256), Err(mismatch));
}

#[test]
fn the_cookbooks_signatures_by_algorithms_that_we_lack_are_refused() {
    let ps384 = vectors("jws_4_2.rsa-pss_signature.json");
    let ps256 = key(&ps384["input"]["key"], Some(Algorithm::PS256)).unwrap();
    assert_eq!(verify(ps384["output"]["compact"].as_str().unwrap(), &ps256), Err(Reject::UnsupportedAlgorithm));
    let es512 = vectors("jws_4_3.ecdsa_signature.json");
    assert_eq!(
        UnverifiedToken::parse(es512["output"]["compact"].as_str().unwrap()).unwrap_err(),
        Reject::UnsupportedAlgorithm
    );
    assert!(key(&es512["input"]["key"], Some(Algorithm::ES256)).is_err(), "a P-521 key is no ES256 key");
}

#[test]
fn the_ed25519_signature_of_rfc_8037_is_made_and_verified() {
    let vector = vectors("curve25519_jws.json");
    let (signing, jwk) = (&vector["signing"], &vector["input"]["key"]);
    let message = signing["sig-input"].as_str().unwrap().as_bytes();
    let signature = URL_SAFE_NO_PAD.decode(signing["sig"].as_str().unwrap()).unwrap();
    assert!(key(jwk, Some(Algorithm::EdDSA)).unwrap().verifies(message, &signature));
    // RFC 8410 §7: PKCS#8 around the seed.
    let header = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let seed = URL_SAFE_NO_PAD.decode(jwk["d"].as_str().unwrap()).unwrap();
    let private_key = SecretBytes::new([&header[..], &seed].concat());
    let signer = LocalSigner::open(Algorithm::EdDSA, &private_key).unwrap();
    assert_eq!(signer.sign(message).unwrap(), signature);
    // The RFC's token names no key, which a token for us must.
    let compact = vector["output"]["compact"].as_str().unwrap();
    assert_eq!(UnverifiedToken::parse(compact).unwrap_err(), Reject::Missing("kid"));
}

/// Valid by RFC 7515, refused here on purpose: a payload of ours is a JSON object, never empty.
const EMPTY_PAYLOAD: [u64; 2] = [259, 272];

/// RFC 7520's PS384 token under a key whose record says PS256: Wycheproof calls it valid, RFC 7515 §10.7 does not.
const HEADER_CHOOSES_ALGORITHM: [u64; 2] = [346, 350];

#[test]
fn wycheproofs_signatures_are_judged_as_stated() {
    let (mut accepted, mut refused) = (0, 0);
    for group in vectors("json_web_signature_test.json")["testGroups"].as_array().unwrap() {
        let key = key(group.get("public").unwrap_or(&group["private"]), None);
        for test in group["tests"].as_array().unwrap() {
            let (id, jws) = (test["tcId"].as_u64().unwrap(), test["jws"].as_str().unwrap_or_default());
            let verified = key.clone().and_then(|key| verify(jws, &key).map_err(|reject| reject.to_string()));
            // HMAC, the longer hashes and the larger curves have no key here.
            let applies = key.is_ok() && !EMPTY_PAYLOAD.contains(&id) && !HEADER_CHOOSES_ALGORITHM.contains(&id);
            let expected = applies && test["result"] == "valid";
            assert_eq!(verified.is_ok(), expected, "{id} {}: {verified:?}", test["comment"]);
            if expected { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused), (14, 387));
}

#[test]
fn wycheproofs_modified_signatures_reach_the_cryptography_and_fail_there() {
    let tests = vectors("json_web_signature_test.json");
    let mut reached = 0;
    for group in tests["testGroups"].as_array().unwrap() {
        let Ok(key) = key(group.get("public").unwrap_or(&group["private"]), None) else { continue };
        for test in group["tests"].as_array().unwrap().iter().filter(|test| test["result"] == "invalid") {
            reached += usize::from(verify(test["jws"].as_str().unwrap_or_default(), &key) == Err(Reject::Signature));
        }
    }
    assert!(reached > 250, "only {reached}");
}

#[test]
fn wycheproofs_bad_keys_are_refused_before_anything_is_verified() {
    let tests = vectors("json_web_key_test.json");
    let mut good = 0;
    for group in tests["testGroups"].as_array().unwrap() {
        let test = &group["tests"][0];
        let keys = group.get("public").unwrap_or(&group["private"])["keys"].as_array().unwrap();
        // A weakness in how the primes were searched (CVE-2017-15361), which the numbers of a key do not show plainly.
        // Our own keys cannot have it.
        let roca = group["comment"] == "jws_rsa_roca_key";
        if let [only] = &keys[..] {
            let usable = key(only, None);
            let expected = roca || (test["result"] == "valid" && only["kty"] != "oct");
            assert_eq!(usable.is_ok(), expected, "{} {}: {usable:?}", test["tcId"], test["comment"]);
            good += usize::from(expected);
        } else {
            assert!(keys.iter().any(|only| key(only, None).is_err()), "a set with symmetric keys");
        }
    }
    assert_eq!(good, 2);
}
