//! Writes test vectors for verifiers in any language:
//!
//! ```text
//! cargo run -p signet-verifier --example make-vectors -- tests/vectors
//! ```
//!
//! The keys are new at each run, and gone after it: only their public halves and the tokens are written.

#[path = "../../tests/support/mod.rs"]
mod support;

mod cases;

use serde_json::{Value, json};
use signet_verifier::Algorithm;
use support::{AUDIENCE, ISSUER, NOW, Signer, compress, jwks, list_claims, with};

/// The address of a list of the vectors.
fn list_uri(list: u64) -> String {
    format!("{ISSUER}/status-lists/{list}")
}

/// What a verifier gets when it asks for each list. Where entries are set, entry 5 is.
fn status_lists(signer: &Signer, stranger: &Signer) -> Value {
    let claims = |list: u64, bits: u8, bytes: &[u8]| {
        with(list_claims(ISSUER, NOW - 10, bits, bytes), json!({"sub": list_uri(list)}))
    };
    let valid = [0; 16];
    let headed = |typ: &str, list| signer.sign(&signer.header(typ).to_string(), &claims(list, 1, &valid).to_string());
    let changed = |list, changes| signer.list_token(&with(claims(list, 1, &valid), changes));
    let entries = |bits: u8, lst: String| json!({"status_list": {"bits": bits, "lst": lst}});
    json!({
        (list_uri(1)): signer.list_token(&claims(1, 1, &[1 << 5, 0, 0, 0])),
        // Entry 4 is 1, 5 is 2, 6 is 3.
        (list_uri(2)): signer.list_token(&claims(2, 2, &[0, 0b0011_1001, 0, 0])),
        (list_uri(3)): signer.list_token(&claims(3, 4, &[0, 0, 0x10, 0x02])),
        (list_uri(4)): signer.list_token(&claims(4, 8, &[0, 0, 0, 0, 0, 1, 2, 3])),
        (list_uri(10)): changed(10, json!({"exp": NOW})),
        (list_uri(11)): changed(11, json!({"sub": list_uri(1)})),
        (list_uri(12)): stranger.list_token(&claims(12, 1, &valid)),
        (list_uri(13)): headed("JWT", 13),
        (list_uri(14)): changed(14, json!({"iat": NOW + 1})),
        (list_uri(15)): changed(15, entries(3, compress(&valid))),
        (list_uri(16)): changed(16, entries(1, "bm90IHpsaWI".into())),
        (list_uri(17)): changed(17, json!({"iss": "https://other.example.org"})),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: make-vectors FOLDER")?;
    let signers: Vec<Signer> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| Signer::generate(algorithm, &format!("test-{}", algorithm.as_str().to_lowercase())))
        .collect();
    let of = |algorithm| signers.iter().find(|signer| signer.algorithm == algorithm).expect("one of each");
    let stranger = Signer::generate(Algorithm::ES256, &of(Algorithm::ES256).kid);

    let mut cases = Vec::new();
    for signer in &signers {
        cases.extend(cases::signature(
            signer,
            of(if signer.algorithm == Algorithm::ES256 { Algorithm::EdDSA } else { Algorithm::ES256 }),
        ));
    }
    cases.extend(cases::form(of(Algorithm::ES256)));
    cases.extend(cases::header(of(Algorithm::ES256)));
    cases.extend(cases::claims(of(Algorithm::ES256)));
    cases.extend(cases::times(of(Algorithm::ES256)));
    cases.extend(cases::status(of(Algorithm::ES256)));
    cases.extend(cases::confusion(of(Algorithm::RS256), of(Algorithm::PS256)));
    let cases: Vec<Value> = cases.into_iter().map(cases::Case::into_json).collect();

    let vectors = json!({
        "now": NOW, "issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks(&signers),
        "status_lists": status_lists(of(Algorithm::ES256), &stranger), "cases": cases,
    });
    let file = std::path::Path::new(&folder).join("access_tokens.json");
    std::fs::write(&file, serde_json::to_string_pretty(&vectors)? + "\n")?;
    println!("{} cases in {}", cases.len(), file.display());
    Ok(())
}
