//! Every form that a key is read in, and every key that is refused. The keys were made for these tests by OpenSSL 3.0.

use serde_json::{Value, json};

use super::*;
use crate::keys::weak::Weakness;

const PASSPHRASE: &str = "correct horse battery staple";

fn file(name: &str) -> SecretBytes {
    SecretBytes::new(std::fs::read(format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap())
}

fn jwk(name: &str) -> Value {
    serde_json::from_slice(file(name).expose()).unwrap()
}

fn with_passphrase(passphrase: &str) -> Stated {
    Stated { passphrase: Some(Secret::new(passphrase)), ..Stated::default() }
}

fn read_json(value: &Value) -> Result<ImportedKey, ImportError> {
    read(&SecretBytes::new(value.to_string().into_bytes()), Stated::default())
}

/// What changing a member (to nothing, if it is null) makes of a good key.
fn changed(name: &str, member: &str, value: Value) -> Result<ImportedKey, ImportError> {
    let mut jwk = jwk(name);
    let members = jwk.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(member)
    } else {
        members.insert(member.to_owned(), value)
    };
    read_json(&jwk)
}

fn refusal(name: &str) -> ImportError {
    read(&file(name), with_passphrase(PASSPHRASE)).unwrap_err()
}

#[test]
fn every_form_of_a_key_gives_the_same_key() {
    for (forms, algorithm) in [
        (&["test-rsa-2048.pkcs1.pem", "test-rsa-2048.pkcs8.pem", "test-rsa-2048.encrypted.pem"][..], Algorithm::RS256),
        (
            &["test-p256.sec1.pem", "test-p256.pkcs8.pem", "test-p256.encrypted.pem", "test-p256.jwks.json"],
            Algorithm::ES256,
        ),
        (&["test-ed25519.pkcs8.pem", "test-ed25519.encrypted.pem", "test-ed25519.jwk.json"], Algorithm::EdDSA),
    ] {
        let keys: Vec<ImportedKey> =
            forms.iter().map(|name| read(&file(name), with_passphrase(PASSPHRASE)).expect(name)).collect();
        for (key, name) in keys.iter().zip(forms) {
            assert_eq!(key.public_jwk.algorithm(), algorithm, "{name}");
            assert_eq!(key.public_jwk.material(), keys[0].public_jwk.material(), "{name}");
            assert_eq!(key.private_key.expose(), keys[0].private_key.expose(), "{name}");
        }
    }
    let rsa = read(&file("test-rsa-2048.jwk.json"), Stated::default()).unwrap();
    assert_eq!(rsa.public_jwk.algorithm(), Algorithm::PS256, "as its alg says");
    let pem = read(&file("test-rsa-2048.pkcs1.pem"), Stated::default()).unwrap();
    assert_eq!(rsa.private_key.expose(), pem.private_key.expose());
}

#[test]
fn the_kid_is_the_stated_one_else_the_files_else_the_thumbprint() {
    let kid = |name: &str, stated: Option<&str>| {
        let stated = Stated { kid: stated.map(str::to_owned), ..Stated::default() };
        read(&file(name), stated).unwrap().public_jwk.kid().to_owned()
    };
    assert_eq!(kid("test-p256.jwks.json", None), "former/ec=key");
    assert_eq!(kid("test-p256.jwks.json", Some("mine")), "mine");
    assert_eq!(kid("test-p256.pkcs8.pem", Some("mine")), "mine");
    let key = read(&file("test-ed25519.jwk.json"), Stated::default()).unwrap();
    assert_eq!(key.public_jwk.kid(), key.public_jwk.material().thumbprint());
    for bad in ["", "a b", "a\u{0}", "é", "a\n", &"k".repeat(256)] {
        let stated = Stated { kid: Some(bad.to_owned()), ..Stated::default() };
        assert!(matches!(read(&file("test-p256.pkcs8.pem"), stated), Err(ImportError::Kid)), "{bad:?}");
    }
}

#[test]
fn the_algorithm_fits_the_key_and_is_the_files() {
    let read_as = |name: &str, algorithm| {
        let stated = Stated { algorithm: Some(algorithm), ..Stated::default() };
        read(&file(name), stated).map(|key| key.public_jwk.algorithm())
    };
    assert_eq!(read_as("test-rsa-2048.pkcs8.pem", Algorithm::PS256).unwrap(), Algorithm::PS256);
    assert_eq!(read_as("test-rsa-2048.jwk.json", Algorithm::PS256).unwrap(), Algorithm::PS256);
    let file_says = read_as("test-rsa-2048.jwk.json", Algorithm::RS256);
    assert!(matches!(file_says, Err(ImportError::AlgorithmOfFile { .. })), "{file_says:?}");
    for (name, algorithm) in [
        ("test-rsa-2048.pkcs8.pem", Algorithm::ES256),
        ("test-p256.sec1.pem", Algorithm::EdDSA),
        ("test-ed25519.pkcs8.pem", Algorithm::RS256),
    ] {
        assert!(matches!(read_as(name, algorithm), Err(ImportError::AlgorithmOfKey { .. })), "{name}");
    }
    assert!(matches!(changed("test-rsa-2048.jwk.json", "alg", json!("RSA-OAEP")), Err(ImportError::AlgorithmUnknown)));
    assert!(matches!(changed("test-rsa-2048.jwk.json", "alg", json!("RS512")), Err(ImportError::AlgorithmUnknown)));
    assert!(matches!(
        changed("test-rsa-2048.jwk.json", "alg", json!("ES256")),
        Err(ImportError::AlgorithmOfKey { algorithm: Algorithm::ES256, .. })
    ));
}

#[test]
fn weak_and_unfit_keys_are_refused_with_the_reason() {
    use ImportError as E;
    assert!(matches!(refusal("refused-rsa-1024.pem"), E::Weak(Weakness::ShortModulus(1024))));
    assert!(matches!(refusal("refused-rsa-exponent-3.pem"), E::Weak(Weakness::Exponent)));
    assert!(matches!(refusal("refused-rsa-close-primes.pem"), E::Weak(Weakness::ClosePrimes)));
    assert!(matches!(refusal("refused-rsa-pss.pem"), E::RsaPssOnly));
    assert!(matches!(refusal("refused-p384.pem"), E::KeyType("an EC key on another curve")));
    assert!(matches!(refusal("refused-x25519.pem"), E::KeyType(_)));
    assert!(matches!(refusal("refused-p256-foreign-public.pem"), E::Inconsistent));
    assert!(matches!(refusal("refused-rsa-composite.jwk.json"), E::Inconsistent), "found by signing only");
    assert!(matches!(refusal("refused-3des.pem"), E::Scheme));
    assert!(matches!(refusal("refused-hmac-sha1.pem"), E::Scheme));
    assert!(matches!(refusal("refused-legacy-encryption.pem"), E::LegacyEncryption));
    assert!(matches!(refusal("test-ed25519.public.pem"), E::PublicOnly));
}

#[test]
fn a_private_key_of_a_faulty_card_is_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vectors/json_web_key_test.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let groups = vectors["testGroups"].as_array().unwrap();
    let roca = groups.iter().find(|group| group["comment"] == "jws_rsa_roca_key").unwrap();
    assert!(matches!(read_json(&roca["private"]), Err(ImportError::Weak(Weakness::Roca))));
}

#[test]
fn a_passphrase_is_asked_for_and_must_be_right() {
    for name in ["test-rsa-2048.encrypted.pem", "test-p256.encrypted.pem", "test-ed25519.encrypted.pem"] {
        assert!(is_encrypted(&file(name)));
        assert!(matches!(read(&file(name), Stated::default()), Err(ImportError::PassphraseNeeded)));
        let wrong = read(&file(name), with_passphrase("correct horse battery stable"));
        assert!(matches!(wrong, Err(ImportError::Passphrase)), "{wrong:?}");
    }
    for name in ["test-p256.pkcs8.pem", "test-p256.jwks.json"] {
        assert!(!is_encrypted(&file(name)));
    }
}

#[test]
fn a_jwk_is_for_signing() {
    use ImportError as E;
    const RSA: &str = "test-rsa-2048.jwk.json";
    assert!(matches!(changed(RSA, "use", json!("enc")), Err(E::Use)));
    assert!(changed(RSA, "use", Value::Null).is_ok());
    assert!(matches!(changed(RSA, "key_ops", json!(["verify"])), Err(E::KeyOps)));
    assert!(changed(RSA, "key_ops", json!(["verify", "sign"])).is_ok());
    assert!(matches!(changed(RSA, "d", Value::Null), Err(E::PublicOnly)));
    assert!(matches!(read_json(&json!({"kty": "oct", "k": "AAAA"})), Err(E::Symmetric)));
    assert!(matches!(changed("test-ed25519.jwk.json", "crv", json!("X25519")), Err(E::KeyType(_))));
    assert!(matches!(changed(RSA, "kty", Value::Null), Err(E::JwkMember("kty"))));
    let (one, other) = (jwk(RSA), jwk("test-ed25519.jwk.json"));
    assert!(read_json(&json!({"keys": [other]})).is_ok());
    assert!(matches!(read_json(&json!({"keys": [one, other]})), Err(E::Several(2))));
    assert!(matches!(read_json(&json!({"keys": []})), Err(E::Several(0))));
}

#[test]
fn the_numbers_of_a_jwk_belong_together() {
    use ImportError as E;
    const RSA: &str = "test-rsa-2048.jwk.json";
    let swapped = jwk(RSA);
    for (member, value) in [("d", &swapped["p"]), ("p", &swapped["q"]), ("q", &swapped["dp"]), ("n", &swapped["d"])] {
        let result = changed(RSA, member, value.clone());
        assert!(matches!(result, Err(E::Inconsistent | E::Weak(_))), "{member}: {result:?}");
    }
    for (member, value) in [("dp", &swapped["dq"]), ("dq", &swapped["dp"]), ("qi", &swapped["p"])] {
        assert!(matches!(changed(RSA, member, value.clone()), Err(E::Inconsistent)), "{member}");
    }
    assert!(matches!(changed(RSA, "e", json!("Aw")), Err(E::Weak(Weakness::Exponent))));
    assert!(matches!(changed(RSA, "qi", Value::Null), Err(E::JwkMember("qi"))), "all or none");
    assert!(matches!(changed(RSA, "oth", json!([])), Err(E::MultiPrime)));
    let mut ec = jwk("test-p256.jwks.json")["keys"][0].clone();
    assert!(read_json(&ec).is_ok());
    ec["x"] = ec["y"].clone();
    assert!(matches!(read_json(&ec), Err(E::Inconsistent)));
    ec["d"] = json!("AA");
    assert!(matches!(read_json(&ec), Err(E::JwkMember("d"))));
    ec["d"] = json!("A".repeat(43));
    assert!(matches!(read_json(&ec), Err(E::Inconsistent)), "zero is no scalar");
    let other = json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert!(matches!(changed("test-ed25519.jwk.json", "x", other), Err(E::Inconsistent)));
}

#[test]
fn an_rsa_jwk_without_its_primes_is_completed() {
    let mut jwk = jwk("test-rsa-2048.jwk.json");
    for member in ["p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    let whole = read(&file("test-rsa-2048.jwk.json"), Stated::default()).unwrap();
    let completed = read_json(&jwk).unwrap();
    assert_eq!(completed.public_jwk, whole.public_jwk);
}

#[test]
fn what_is_no_key_is_refused_without_repeating_any_of_it() {
    use ImportError as E;
    let read_text = |text: &str| read(&SecretBytes::new(text.as_bytes().to_vec()), Stated::default());
    let pem = String::from_utf8(file("test-p256.pkcs8.pem").expose().to_vec()).unwrap();
    assert!(read_text(&format!("the old key\n{pem}")).is_ok(), "explanation before it (RFC 7468 §2)");
    assert!(read_text(&pem.replace('\n', "\r\n")).is_ok());
    assert!(matches!(read_text(&format!("{pem}{pem}")), Err(E::Several(2))));
    assert!(matches!(read_text(""), Err(E::Form)));
    assert!(matches!(read_text(&pem[..100]), Err(E::Pem)));
    assert!(matches!(read_text(&pem.replacen("MIG", "M*G", 1)), Err(E::Pem)));
    assert!(matches!(read_text(&pem.replacen("MIG", "MIH", 1)), Err(E::Malformed)));
    assert!(matches!(read_text(&pem.replace("PRIVATE", "OPENSSH PRIVATE")), Err(E::OpenSsh)));
    assert!(matches!(read(&SecretBytes::new(vec![0xff, 0xfe]), Stated::default()), Err(E::Form)));
    let broken = read_text("{\"kty\":\"EC\",\"d\":{\"secret\":1}}").unwrap_err();
    assert!(matches!(broken, E::Json { line: 1, .. }) && !broken.to_string().contains("secret"), "{broken}");
    assert!(matches!(read_text("{\"kty\":\"RSA\",\"kty\":\"EC\"}"), Err(E::Json { .. })), "repeated");
}

#[test]
fn a_scheme_that_costs_too_much_is_not_tried() {
    // The test key's scrypt cost, N = 2^14, as INTEGER of two bytes; then 2^30.
    let pem = file("test-p256.encrypted.pem");
    let (_, der) = rsa::pkcs8::der::pem::decode_vec(pem.expose()).unwrap();
    let at = der.windows(4).position(|window| window == [0x02, 0x02, 0x40, 0x00]).unwrap();
    let mut costly = der.clone();
    costly.splice(at..at + 4, [0x02, 0x04, 0x40, 0x00, 0x00, 0x00]);
    // The lengths of the enclosing sequences, each two bytes longer.
    let lengths = der.windows(2).take(at).enumerate().filter(|(place, window)| {
        window[0] == 0x30 && usize::from(window[1]) < 0x80 && place + 2 + usize::from(window[1]) > at
    });
    let lengths: Vec<usize> = lengths.map(|(place, _)| place + 1).collect();
    for place in &lengths {
        costly[*place] += 2;
    }
    costly[2] += 2;
    let text = rsa::pkcs8::der::pem::encode_string("ENCRYPTED PRIVATE KEY", Default::default(), &costly).unwrap();
    let error = read(&SecretBytes::new(text.into_bytes()), with_passphrase(PASSPHRASE)).unwrap_err();
    assert!(matches!(error, ImportError::Scheme), "{error:?}");
    assert!(lengths.len() >= 3, "{lengths:?}");
}
