//! The ring as signers, verifiers and the key set see it.

use serde_json::{Value, json};

use super::*;
use crate::entropy::Entropy;
use crate::keys::generate::generate;
use crate::keys::verify::UnverifiedToken;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn opened(algorithm: Algorithm, seed: u64, active_at: i64, revoked_at: Option<i64>) -> OpenedKey {
    let generated = generate(algorithm, &Entropy::seeded(seed)).unwrap();
    let (signer, verifying) = open_pair(&generated.public_jwk, &generated.private_key).unwrap();
    let (created_at, active_at, revoked_at) = (at(0), at(active_at), revoked_at.map(at));
    let public_jwk = generated.public_jwk;
    OpenedKey { public_jwk, created_at, active_at, revoked_at, retired_at: None, signer, verifying }
}

/// Two successive keys, a revoked one between them, and one of another algorithm; kids in that order.
fn ring() -> (Ring, [String; 4]) {
    use Algorithm::{ES256, EdDSA};
    let keys = [
        opened(ES256, 1, 100, None),
        opened(ES256, 2, 150, Some(160)),
        opened(ES256, 3, 200, None),
        opened(EdDSA, 4, 50, None),
    ];
    let kids = keys.each_ref().map(|key| key.public_jwk.kid().to_owned());
    let [first, revoked, second, other] = keys;
    (Ring::new(vec![second, other, revoked, first], TimeDelta::seconds(30)), kids)
}

#[test]
fn the_key_in_its_turn_signs() {
    let (ring, [first, _, second, other]) = ring();
    let signing = |algorithm, now| ring.signing_key(algorithm, at(now)).map(RingKey::kid);
    assert_eq!(signing(Algorithm::ES256, 99), None);
    assert_eq!(signing(Algorithm::ES256, 155), Some(first.as_str()));
    assert_eq!(signing(Algorithm::ES256, 200), Some(second.as_str()));
    assert_eq!(signing(Algorithm::EdDSA, 200), Some(other.as_str()));
    assert_eq!(signing(Algorithm::RS256, 200), None);
}

#[test]
fn a_key_is_found_by_its_exact_kid_unless_revoked_or_expired() {
    let (ring, [first, revoked, second, _]) = ring();
    let found = |kid: &str, now| ring.verifying_key(kid, at(now)).is_some();
    assert!(found(&first, 0) && found(&first, 229) && found(&second, 0));
    assert!(!found(&first, 230));
    assert!(!found(&revoked, 155));
    assert!(!found(&first[1..], 155) && !found(&first.to_lowercase(), 155) && !found("", 155));
    assert_eq!(ring.state(&first, at(230)), Some(State::Expired));
    assert_eq!(ring.state(&revoked, at(155)), Some(State::Revoked));
    assert_eq!(ring.state("unknown", at(155)), None);
}

#[test]
fn the_key_set_lists_what_may_verify_in_order_with_public_members_only() {
    let (ring, [first, _, second, other]) = ring();
    let kids = |now| -> Vec<String> { ring.jwks(at(now)).keys.iter().map(|key| key.kid().to_owned()).collect() };
    assert_eq!(kids(155), [other.clone(), first, second.clone()]);
    assert_eq!(kids(230), [other, second]);
    let set = serde_json::to_value(ring.jwks(at(155))).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let public = ["alg", "crv", "kid", "kty", "use", "x", "y"];
        assert!(key.as_object().unwrap().keys().all(|member| public.contains(&member.as_str())), "{key}");
    }
}

#[test]
fn a_signed_token_verifies_with_the_key_that_its_kid_names() {
    let (ring, _) = ring();
    for (algorithm, typ) in [(Algorithm::ES256, Typ::AccessToken), (Algorithm::EdDSA, Typ::StatusList)] {
        let jwt = ring.signing_key(algorithm, at(200)).unwrap().sign_jwt(typ, &json!({"sub": "a"})).unwrap();
        let token = UnverifiedToken::parse(&jwt).unwrap();
        assert!(token.is_typ(typ));
        let payload = token.verify(ring.verifying_key(token.kid(), at(200)).unwrap().verifying()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(payload).unwrap(), json!({"sub": "a"}));
    }
}

#[test]
fn a_public_key_that_is_not_the_private_keys_is_refused() {
    for algorithm in Algorithm::ALL {
        let [one, two] = [1, 2].map(|seed| generate(algorithm, &Entropy::seeded(seed)).unwrap());
        assert!(matches!(open_pair(&one.public_jwk, &two.private_key), Err(UnusableKey::Mismatch)));
    }
}

#[test]
fn debug_output_names_keys_and_shows_nothing_of_them() {
    let (ring, [first, ..]) = ring();
    let shown = format!("{ring:?}");
    assert!(shown.contains(&first) && !shown.to_lowercase().contains("signer"), "{shown}");
}
