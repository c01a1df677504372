//! What a token costs an API beyond the bare check of its signature: form, header, key, claims, revocation.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use signet_verifier::{Algorithm, KeySet, Policy, StatusList, StatusLists, UnixTime};
use support::{AUDIENCE, ISSUER, NOW, Signer, claims, jwks, list_claims};

/// The key as aws-lc-rs alone has it.
fn bare(signer: &Signer) -> ParsedPublicKey {
    let jwk = signer.jwk();
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64url");
    match signer.algorithm {
        Algorithm::RS256 => RsaPublicKeyComponents { n: member("n"), e: member("e") }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .expect("a key"),
        Algorithm::ES256 => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], member("x"), member("y")].concat()).expect("a key")
        }
        _ => ParsedPublicKey::new(&ED25519, member("x")).expect("a key"),
    }
}

fn verify(criterion: &mut Criterion) {
    let now = UnixTime::from_secs(NOW + 5);
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    let kids = ["vF3cQzqkPq2SRP8mB0Y2b9c5y1h1dTqJ8w0u3v7xk2E", "other", "third"];
    let signers: Vec<_> = algorithms.iter().zip(kids).map(|(alg, kid)| Signer::generate(*alg, kid)).collect();
    let keys = KeySet::from_json(jwks(&signers).to_string().as_bytes()).expect("a key set");
    let policy = Policy::new(ISSUER, AUDIENCE);
    let uri = format!("{ISSUER}/status-lists/7");
    let list = signers[1].list_token(&list_claims(ISSUER, NOW, 1, &[0; 1 << 17]));
    let list = StatusList::verify(&list, &uri, &keys, &policy, now).expect("a list");
    let lists: StatusLists = [list].into_iter().collect();
    for signer in &signers {
        let token = signer.access_token(&claims(ISSUER, NOW, 412_312));
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let key = bare(signer);
        let mut group = criterion.benchmark_group(signer.algorithm.as_str());
        group.bench_function("bare signature", |bencher| {
            bencher.iter(|| key.verify_sig(black_box(signed.as_bytes()), black_box(&signature)).expect("it is good"));
        });
        group.bench_function("verify", |bencher| {
            bencher.iter(|| policy.verify(black_box(&token), &keys, &lists, now).expect("it is good"));
        });
        group.finish();
    }
    ratios(&signers, &keys, &policy, &lists);
}

/// Both in turn, so that what else the machine does falls on both alike: the median of each, and how they relate.
fn ratios(signers: &[Signer], keys: &KeySet, policy: &Policy, lists: &StatusLists) {
    const ROUNDS: usize = 401;
    const CALLS: u32 = 50;
    let now = UnixTime::from_secs(NOW + 5);
    for signer in signers {
        let token = signer.access_token(&claims(ISSUER, NOW, 412_312));
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let key = bare(signer);
        let timed = |call: &dyn Fn()| {
            let begin = std::time::Instant::now();
            (0..CALLS).for_each(|_| call());
            begin.elapsed().as_nanos() / u128::from(CALLS)
        };
        let (mut bare, mut full) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(timed(&|| key.verify_sig(black_box(signed.as_bytes()), black_box(&signature)).expect("good")));
            full.push(timed(&|| drop(black_box(policy.verify(black_box(&token), keys, lists, now).expect("good")))));
        }
        bare.sort_unstable();
        full.sort_unstable();
        let (bare, full) = (bare[ROUNDS / 2], full[ROUNDS / 2]);
        let permille = full * 1000 / bare;
        println!(
            "{}: bare {bare} ns, verify {full} ns, ratio {}.{:03}",
            signer.algorithm,
            permille / 1000,
            permille % 1000
        );
    }
}

criterion_group!(benches, verify);
criterion_main!(benches);
