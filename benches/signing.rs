//! What a token costs beyond its bare signature: signing through the ring, parsing and verifying.

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair, Signature};
use chrono::{DateTime, TimeDelta};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use signet::entropy::Entropy;
use signet::keys::generate::{GeneratedKey, generate};
use signet::keys::jws::Typ;
use signet::keys::ring::{OpenedKey, Ring, open_pair};
use signet::keys::verify::UnverifiedToken;
use signet::protocol::jwk::Algorithm;

fn ring(key: &GeneratedKey) -> Ring {
    let (signer, verifying) = open_pair(&key.public_jwk, &key.private_key).expect("a new key opens");
    let opened = OpenedKey {
        public_jwk: key.public_jwk.clone(),
        created_at: DateTime::UNIX_EPOCH,
        active_at: DateTime::UNIX_EPOCH,
        revoked_at: None,
        retired_at: None,
        signer,
        verifying,
    };
    Ring::new(vec![opened], TimeDelta::hours(1))
}

fn bare_es256(key: &GeneratedKey) -> impl Fn(&[u8]) -> Signature {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.private_key.expose()).expect("an EC key");
    move |message| pair.sign(&SystemRandom::new(), message).expect("it signs")
}

fn bare_rs256(key: &GeneratedKey) -> impl Fn(&[u8]) -> [u8; 256] {
    let pair = RsaKeyPair::from_pkcs8(key.private_key.expose()).expect("an RSA key");
    move |message| {
        let mut signature = [0; 256];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("it signs");
        signature
    }
}

fn signing(criterion: &mut Criterion) {
    let claims = json!({
        "iss": "https://id.example.org", "sub": "0190f5c2-8a3f-7c31-9d2e-4f6a8b1c2d3e", "aud": "https://api.example.org",
        "client_id": "reports", "scope": "reports:read reports:write", "iat": 1_760_000_000, "exp": 1_760_000_900,
        "jti": "5f3c1b9e-2d4a-4f60-8c7b-1a2b3c4d5e6f",
        "status": {"status_list": {"idx": 412_312, "uri": "https://id.example.org/status-lists/7"}},
    });
    let now = DateTime::UNIX_EPOCH;
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let key = generate(algorithm, &Entropy::seeded(1)).expect("a key");
        let ring = ring(&key);
        let token = ring.keys()[0].sign_jwt(Typ::AccessToken, &claims).expect("it signs");
        let message = token.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes().to_vec();
        let mut group = criterion.benchmark_group(algorithm.as_str());
        if algorithm == Algorithm::ES256 {
            let sign = bare_es256(&key);
            group.bench_function("bare signature", |bencher| bencher.iter(|| sign(black_box(&message))));
        } else {
            let sign = bare_rs256(&key);
            group.bench_function("bare signature", |bencher| bencher.iter(|| sign(black_box(&message))));
        }
        group.bench_function("sign_jwt", |bencher| {
            bencher.iter(|| {
                ring.signing_key(algorithm, now).map(|key| key.sign_jwt(Typ::AccessToken, black_box(&claims)))
            });
        });
        group.bench_function("parse", |bencher| bencher.iter(|| UnverifiedToken::parse(black_box(&token)).map(drop)));
        group.bench_function("parse and verify", |bencher| {
            bencher.iter(|| {
                let token = UnverifiedToken::parse(black_box(&token)).expect("it is well-formed");
                let key = ring.verifying_key(token.kid(), now).expect("the key is known");
                token.verify(key.verifying()).map(<[u8]>::len)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, signing);
criterion_main!(benches);
