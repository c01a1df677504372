//! The verification of access tokens, rule by rule, without a network.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use signet_verifier::{
    AccessToken, Algorithm, Error, JwsError, KeySet, Policy, StatusList, StatusLists, StatusUnavailable, Unchecked,
    UnixTime,
};
use support::{AUDIENCE, ISSUER, NOW, Signer, claims, jwks, list_claims, with};

const URI: &str = "https://id.example.org/status-lists/7";

/// An issuer with one key, and a list of 32 entries whose entry 5 is revoked.
struct World {
    signer: Signer,
    keys: KeySet,
    lists: StatusLists,
    policy: Policy,
}

impl World {
    fn new(algorithm: Algorithm) -> Self {
        let signer = Signer::generate(algorithm, "k1");
        let keys = KeySet::from_json(jwks([&signer]).to_string().as_bytes()).unwrap();
        let policy = Policy::new(ISSUER, AUDIENCE);
        let list = signer.list_token(&list_claims(ISSUER, NOW, 1, &[1 << 5, 0, 0, 0]));
        let list = StatusList::verify(&list, URI, &keys, &policy, at(0)).unwrap();
        Self { signer, keys, lists: [list].into_iter().collect(), policy }
    }

    fn verify(&self, token: &str) -> Result<AccessToken, Error> {
        self.policy.verify(token, &self.keys, &self.lists, at(0))
    }

    fn changed(&self, changes: Value) -> Result<AccessToken, Error> {
        self.verify(&self.signer.access_token(&with(claims(ISSUER, NOW, 1), changes)))
    }

    fn headed(&self, changes: Value) -> JwsError {
        let header = with(self.signer.header("at+jwt"), changes).to_string();
        self.refused(&self.signer.sign(&header, &claims(ISSUER, NOW, 1).to_string()))
    }

    fn refused(&self, token: &str) -> JwsError {
        match self.verify(token) {
            Err(Error::Jws(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(NOW + seconds)
}

#[test]
fn a_good_token_of_every_algorithm_is_accepted_with_its_claims() {
    for algorithm in Algorithm::ALL {
        let token = World::new(algorithm).changed(json!({"auth_time": NOW - 60, "roles": ["a", "b"]})).unwrap();
        assert_eq!((token.sub(), token.client_id()), ("0190f5c2-8a3f-7c31-9d2e-4f6a8b1c2d3e", "reports"));
        assert_eq!(token.scopes().collect::<Vec<_>>(), ["reports:read", "reports:write"]);
        assert!(token.has_scope("reports:read") && !token.has_scope("reports") && !token.has_scope(""));
        assert_eq!((token.iat(), token.exp()), (at(0), at(900)));
        assert_eq!(token.auth_time(), Some(at(-60)));
        assert_eq!(token.aud().collect::<Vec<_>>(), [AUDIENCE]);
        assert_eq!(token.claim::<Vec<String>>("roles").unwrap().unwrap(), ["a", "b"]);
        assert_eq!(token.claim::<Value>("nothing").unwrap(), None);
        assert!(token.claim::<u8>("roles").is_err());
        assert!(token.status_was_checked());
    }
}

#[test]
fn the_compact_form_is_strict() {
    let world = World::new(Algorithm::ES256);
    let token = world.signer.access_token(&claims(ISSUER, NOW, 1));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(world.refused(signed), JwsError::Parts(2));
    assert_eq!(world.refused(&format!("{token}.e30")), JwsError::Parts(4));
    assert_eq!(world.refused(""), JwsError::Parts(1));
    assert_eq!(world.refused(&format!("{signed}.")), JwsError::Empty(signet_verifier::Part::Signature));
    assert_eq!(world.refused(&format!("{token}==")), JwsError::Base64(signet_verifier::Part::Signature));
    assert_eq!(world.refused(&format!(" {token}")), JwsError::Base64(signet_verifier::Part::Header));
    assert_eq!(world.refused(&format!("{token}\n")), JwsError::Base64(signet_verifier::Part::Signature));
    assert!(matches!(world.refused(&"a".repeat(20_000)), JwsError::TooLong { length: 20_000, .. }));
    let standard = format!("{signed}.{}", signature.replace('-', "+").replace('_', "/"));
    assert!(standard == token || world.verify(&standard).is_err());
}

#[test]
fn the_header_is_strict_and_offers_nothing() {
    let world = World::new(Algorithm::ES256);
    for name in ["b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"] {
        assert_eq!(world.headed(json!({name: "x"})), JwsError::Forbidden(name));
    }
    for name in ["alg", "kid", "typ"] {
        assert_eq!(world.headed(json!({name: null})), JwsError::Missing(name));
        assert_eq!(world.headed(json!({name: 1})), JwsError::Header);
    }
    for typ in ["JWT", "statuslist+jwt", ""] {
        assert_eq!(world.headed(json!({"typ": typ})), JwsError::Type("at+jwt"));
    }
    for alg in ["none", "HS256", "es256", "RS512", ""] {
        assert_eq!(world.headed(json!({"alg": alg})), JwsError::UnsupportedAlgorithm);
    }
    assert_eq!(world.headed(json!({"kid": "K1"})), JwsError::UnknownKey);
    let payload = claims(ISSUER, NOW, 1).to_string();
    let repeated = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","alg":"ES256"}"#;
    assert_eq!(world.refused(&world.signer.sign(repeated, &payload)), JwsError::Header);
}

#[test]
fn the_algorithm_is_the_keys_own_and_allowed() {
    let world = World::new(Algorithm::RS256);
    let mismatch = JwsError::AlgorithmMismatch { header: Algorithm::PS256, key: Algorithm::RS256 };
    assert_eq!(world.headed(json!({"alg": "PS256"})), mismatch);
    let mut es256_only = World::new(Algorithm::RS256);
    es256_only.policy = es256_only.policy.algorithms(&[Algorithm::ES256]);
    let token = es256_only.signer.access_token(&claims(ISSUER, NOW, 1));
    assert_eq!(es256_only.refused(&token), JwsError::AlgorithmNotAllowed(Algorithm::RS256));
}

#[test]
fn the_claims_that_rfc_9068_demands_are_there_and_of_their_type() {
    let world = World::new(Algorithm::ES256);
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        assert!(
            matches!(world.changed(json!({name: null})), Err(Error::Jws(JwsError::ClaimMissing(missing))) if missing == name)
        );
        assert!(matches!(world.changed(json!({name: {}})), Err(Error::Jws(JwsError::Claims(_)))), "{name}");
    }
    assert!(world.changed(json!({"scope": null})).unwrap().scopes().next().is_none());
    let good = claims(ISSUER, NOW, 1).to_string();
    let repeated = good.replacen('{', r#"{"iss":"https://id.example.org","#, 1);
    let header = world.signer.header("at+jwt").to_string();
    assert!(matches!(world.refused(&world.signer.sign(&header, &repeated)), JwsError::Claims(_)));
    for payload in ["[]", "1", "", "{", "null"] {
        assert!(world.verify(&world.signer.sign(&header, payload)).is_err(), "{payload}");
    }
}

#[test]
fn issuer_and_audience_are_exact() {
    let world = World::new(Algorithm::ES256);
    for iss in ["https://id.example.org/", "https://ID.example.org", "id.example.org"] {
        assert!(matches!(world.changed(json!({"iss": iss})), Err(Error::Jws(JwsError::Issuer))), "{iss}");
    }
    for aud in [json!("https://api.example.org/"), json!([]), json!(["a", "b"])] {
        assert!(matches!(world.changed(json!({"aud": aud})), Err(Error::Audience)), "{aud}");
    }
    assert!(world.changed(json!({"aud": ["other", AUDIENCE]})).is_ok());
    let mut both = World::new(Algorithm::ES256);
    both.policy = both.policy.or_audience("urn:second");
    assert!(both.changed(json!({"aud": "urn:second"})).is_ok());
}

#[test]
fn times_are_judged_to_the_second_and_leeway_is_bounded() {
    let mut world = World::new(Algorithm::ES256);
    assert!(world.changed(json!({"exp": NOW + 1})).is_ok());
    assert!(matches!(world.changed(json!({"exp": NOW})), Err(Error::Jws(JwsError::Expired(0)))));
    assert!(matches!(world.changed(json!({"exp": NOW - 7})), Err(Error::Jws(JwsError::Expired(7)))));
    assert!(world.changed(json!({"exp": f64::from(i32::MAX) + 0.5})).is_ok());
    assert!(world.changed(json!({"nbf": NOW})).is_ok());
    assert!(matches!(world.changed(json!({"nbf": NOW + 1})), Err(Error::Jws(JwsError::NotYetValid(1)))));
    assert!(matches!(world.changed(json!({"iat": NOW + 1})), Err(Error::Jws(JwsError::IssuedInFuture(1)))));
    world.policy = world.policy.leeway(Duration::from_hours(1));
    for (changes, is_good) in [
        (json!({"exp": NOW - 59}), true),
        (json!({"exp": NOW - 60}), false),
        (json!({"nbf": NOW + 60, "iat": NOW + 60}), true),
        (json!({"nbf": NOW + 61}), false),
        (json!({"iat": NOW + 61}), false),
    ] {
        assert_eq!(world.changed(changes.clone()).is_ok(), is_good, "{changes}");
    }
}

#[test]
fn a_token_holds_as_long_as_its_entry_says_so() {
    let world = World::new(Algorithm::ES256);
    let status = |index: u64| json!({"status": {"status_list": {"idx": index, "uri": URI}}});
    assert!(world.changed(status(4)).unwrap().status_was_checked());
    assert!(matches!(world.changed(status(5)), Err(Error::Revoked)));
    assert!(world.changed(status(31)).is_ok());
    for index in [32, u64::MAX] {
        assert!(matches!(world.changed(status(index)), Err(Error::StatusIndex { entries: 32, .. })), "{index}");
    }
    for reference in [json!({"idx": -1, "uri": URI}), json!({"idx": "1", "uri": URI}), json!({"idx": 1.5, "uri": URI})]
    {
        let error = world.changed(json!({"status": {"status_list": reference}})).unwrap_err();
        assert!(matches!(error, Error::Jws(JwsError::Claims(_))), "{error}");
    }
    let error = world.changed(json!({"status": {"status_list": {"uri": URI}}})).unwrap_err();
    assert!(matches!(error, Error::Jws(JwsError::ClaimMissing("status.status_list.idx"))), "{error}");
}

#[test]
fn without_a_status_or_a_usable_list_the_policy_decides() {
    let mut world = World::new(Algorithm::ES256);
    let unlisted = json!({"status": {"status_list": {"idx": 1, "uri": "https://id.example.org/status-lists/8"}}});
    assert!(matches!(world.changed(json!({"status": null})), Err(Error::NoStatus)));
    let error = world.changed(unlisted.clone()).unwrap_err();
    assert!(matches!(error, Error::StatusUnavailable(StatusUnavailable::Missing)) && error.is_unavailable());
    let long_lived = world.signer.access_token(&with(claims(ISSUER, NOW, 5), json!({"exp": NOW + 10_000})));
    let at_its_end = |world: &World| world.policy.verify(&long_lived, &world.keys, &world.lists, at(3600));
    assert!(matches!(at_its_end(&world), Err(Error::StatusUnavailable(StatusUnavailable::Expired))));
    world.policy = world.policy.without_status(Unchecked::Accept).without_list(Unchecked::Accept);
    assert!(!world.changed(json!({"status": null})).unwrap().status_was_checked());
    assert!(!world.changed(unlisted).unwrap().status_was_checked());
    assert!(!at_its_end(&world).unwrap().status_was_checked());
    let last_second = world.policy.verify(&long_lived, &world.keys, &world.lists, at(3599));
    assert!(matches!(last_second, Err(Error::Revoked)), "a list that is usable decides all the same");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_token_with_another_byte_verifies(position: prop::sample::Index, byte: u8, alg in 0_usize..3) {
        thread_local! {
            static WORLDS: Vec<(World, String)> =
                [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA].into_iter().map(|algorithm| {
                    let world = World::new(algorithm);
                    let token = world.signer.access_token(&claims(ISSUER, NOW, 1));
                    (world, token)
                }).collect();
        }
        WORLDS.with(|worlds| {
            let (world, token) = &worlds[alg];
            let mut bytes = token.clone().into_bytes();
            let position = position.index(bytes.len());
            let is_same = bytes[position] == byte;
            bytes[position] = byte;
            let Ok(mutated) = String::from_utf8(bytes) else { return Ok(()) };
            prop_assert_eq!(world.verify(&mutated).is_ok(), is_same);
            Ok(())
        })?;
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,60}", 0..5)) {
        let world = World::new(Algorithm::EdDSA);
        prop_assert!(world.verify(&text).is_err());
        prop_assert!(world.verify(&parts.join(".")).is_err());
    }
}
