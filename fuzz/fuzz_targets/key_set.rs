//! JWK sets as an API fetches them, and single public keys as the issuer reads them: what both take, they take alike.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use signet::keys::verifying_key::VerifyingKey;
use signet::protocol::jwk::PublicJwk;
use signet_verifier::KeySet;

fuzz_target!(|json: &[u8]| {
    if let Ok(set) = KeySet::from_json(json) {
        let kids: BTreeSet<&str> = set.keys().iter().map(|key| key.kid()).collect();
        assert_eq!(kids.len(), set.keys().len(), "two keys of one name");
        assert!(set.keys().len() + set.ignored().count() <= 128);
        assert!(kids.iter().all(|kid| set.find(kid).is_some()));
        serde_json::from_slice::<serde_json::Value>(json).expect("a set is JSON");
    }
    let Ok(jwk) = serde_json::from_slice::<PublicJwk>(json) else { return };
    let written = serde_json::to_string(&jwk).expect("a key can be written");
    let again: PublicJwk = serde_json::from_str(&written).expect("what is written can be read");
    assert_eq!(again, jwk);
    if VerifyingKey::from_jwk(&jwk).is_ok() && !jwk.kid().is_empty() {
        let set = KeySet::from_json(format!(r#"{{"keys":[{written}]}}"#).as_bytes()).expect("a set");
        assert!(set.find(jwk.kid()).is_some(), "an API cannot use a key that the issuer may publish: {written}");
    }
});
