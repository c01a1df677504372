//! Key sets and members that are no public signature key.

use serde_json::{Value, json};

use super::*;

fn rejection(jwk: &Value) -> String {
    serde_json::from_value::<PublicJwk>(jwk.clone()).expect_err("the key is refused").to_string()
}

fn ec_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "a", "alg": "ES256", "use": "sig",
        "x": "04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY", "y": "UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw",
    })
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

#[test]
fn algorithm_names_are_exact_and_read_back() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
        assert_eq!(algorithm.as_str().to_lowercase().parse::<Algorithm>(), Err(UnknownAlgorithm));
    }
    for name in ["none", "HS256", "RS384", "ES512", ""] {
        assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm));
    }
}

#[test]
fn the_rsa_thumbprint_is_that_of_rfc_7638_section_3_1() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
             FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
             c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1j\
             F44-csFCur-kEgU8awapJzKnqDKgw";
    let key = Material::Rsa { n: n.into(), e: "AQAB".into() };
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn the_ed25519_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
    let key = Material::Okp { x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into() };
    assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_is_written_with_its_public_members_only_and_reads_back() {
    let key: PublicJwk = serde_json::from_value(with(ec_jwk(), "x5t", json!("ignored"))).unwrap();
    assert_eq!(serde_json::to_value(&key).unwrap(), ec_jwk());
    assert_eq!(serde_json::from_value::<PublicJwk>(ec_jwk()).unwrap(), key);
}

#[test]
fn a_set_is_written_as_an_object_with_keys() {
    let key: PublicJwk = serde_json::from_value(ec_jwk()).unwrap();
    assert_eq!(serde_json::to_value(JwkSet { keys: vec![key] }).unwrap(), json!({"keys": [ec_jwk()]}));
}

#[test]
fn a_private_key_is_refused() {
    assert_eq!(rejection(&with(ec_jwk(), "d", json!("AQ"))), InvalidJwk::Private.to_string());
}

#[test]
fn a_key_for_another_use_is_refused() {
    assert_eq!(rejection(&with(ec_jwk(), "use", json!("enc"))), InvalidJwk::Use.to_string());
    assert_eq!(rejection(&with(ec_jwk(), "key_ops", json!(["encrypt"]))), InvalidJwk::KeyOps.to_string());
    assert!(serde_json::from_value::<PublicJwk>(with(ec_jwk(), "key_ops", json!(["verify"]))).is_ok());
}

#[test]
fn a_key_type_that_is_not_the_algorithms_is_refused() {
    let mismatches = [("alg", "RS256"), ("alg", "EdDSA"), ("crv", "P-384"), ("kty", "RSA"), ("kty", "OKP")];
    for (member, value) in mismatches {
        assert_eq!(rejection(&with(ec_jwk(), member, json!(value))), InvalidJwk::KeyType.to_string(), "{value}");
    }
    for member in ["kty", "crv", "x", "y", "kid", "alg"] {
        let mut incomplete = ec_jwk();
        incomplete.as_object_mut().unwrap().remove(member);
        assert_eq!(rejection(&incomplete), InvalidJwk::KeyType.to_string(), "without {member}");
    }
}

#[test]
fn a_repeated_member_is_refused() {
    let repeated = ec_jwk().to_string().replacen('{', r#"{"kid":"b","#, 1);
    assert!(serde_json::from_str::<PublicJwk>(&repeated).unwrap_err().to_string().contains("duplicate field"));
}
