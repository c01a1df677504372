//! Tokens as text, against the keys of the vectors: nothing is accepted but the vectors' own spellings, and whatever the
//! verifier for APIs believes, the issuer's own reader (introspection, revocation) does, too.

#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use signet::keys::verifying_key::VerifyingKey;
use signet::keys::{Typ, UnverifiedToken};
use signet_fuzz::vectors;
use signet_verifier::{KeySet, Policy, UnixTime};

struct World {
    keys: KeySet,
    policy: Policy,
    now: UnixTime,
    signed: BTreeSet<&'static str>,
    issuers_keys: Vec<(&'static str, VerifyingKey)>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let vectors = vectors();
    let text = |name: &str| vectors[name].as_str().expect("text");
    let jwks = vectors["jwks"]["keys"].as_array().expect("keys");
    World {
        keys: KeySet::from_json(vectors["jwks"].to_string().as_bytes()).expect("a key set"),
        policy: Policy::new(text("issuer"), text("audience")),
        now: UnixTime::from_secs(vectors["now"].as_i64().expect("a number")),
        signed: vectors["cases"].as_array().expect("cases").iter().filter_map(|case| case["token"].as_str()).collect(),
        // The issuer signs by fewer algorithms than the verifier knows.
        issuers_keys: jwks
            .iter()
            .filter_map(|jwk| {
                let key = VerifyingKey::from_jwk(&serde_json::from_value(jwk.clone()).ok()?).ok()?;
                Some((jwk["kid"].as_str()?, key))
            })
            .collect(),
    }
});

fuzz_target!(|input: &[u8]| {
    let Ok(presented) = std::str::from_utf8(input) else { return };
    let world = &*WORLD;
    let believed = world.policy.verify_signed(presented, &world.keys, world.now).is_ok();
    assert!(!believed || world.signed.contains(presented), "a token that nobody signed");
    let Ok(unverified) = UnverifiedToken::parse(presented) else {
        // The issuer does not sign by every algorithm that the verifier knows (ES384): what is believed is a vector.
        return;
    };
    let key = world.issuers_keys.iter().find(|(kid, _)| *kid == unverified.kid()).map(|(_, key)| key);
    let verified = key.is_some_and(|key| unverified.verify(key).is_ok());
    assert!(!verified || world.signed.contains(presented), "a token that nobody signed");
    if believed && key.is_some() {
        assert!(verified && unverified.is_typ(Typ::AccessToken), "the two readers disagree");
    }
});
