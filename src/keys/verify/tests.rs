//! Tokens that must be refused, each for its own reason.

use super::*;
use crate::entropy::Entropy;
use crate::keys::generate::generate;
use crate::keys::jws::{encode_header, sign_compact};
use crate::keys::signer::LocalSigner;
use crate::protocol::jwk::PublicJwk;

struct Fixture {
    jwk: PublicJwk,
    signer: LocalSigner,
    key: VerifyingKey,
}

fn fixture(algorithm: Algorithm) -> Fixture {
    let generated = generate(algorithm, &Entropy::seeded(21)).unwrap();
    Fixture {
        signer: LocalSigner::open(algorithm, &generated.private_key).unwrap(),
        key: VerifyingKey::from_jwk(&generated.public_jwk).unwrap(),
        jwk: generated.public_jwk,
    }
}

/// A correctly signed token under any header whatever.
fn token(fixture: &Fixture, header: &str) -> String {
    sign_compact(&URL_SAFE_NO_PAD.encode(header), b"{\"sub\":\"a\"}", &fixture.signer).unwrap()
}

fn rejection(header: &str) -> Reject {
    let fixture = fixture(Algorithm::EdDSA);
    let token = token(&fixture, header);
    UnverifiedToken::parse(&token).and_then(|token| token.verify(&fixture.key).map(<[u8]>::to_vec)).unwrap_err()
}

#[test]
fn a_token_of_ours_gives_its_payload_under_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let fixture = fixture(algorithm);
        let header = encode_header(algorithm, fixture.jwk.kid(), Typ::AccessToken);
        let token = sign_compact(&header, b"{\"sub\":\"a\"}", &fixture.signer).unwrap();
        let token = UnverifiedToken::parse(&token).unwrap();
        assert_eq!(token.kid(), fixture.jwk.kid());
        assert!(token.is_typ(Typ::AccessToken) && !token.is_typ(Typ::StatusList));
        assert_eq!(token.verify(&fixture.key).unwrap(), b"{\"sub\":\"a\"}");
    }
}

#[test]
fn the_algorithm_is_the_keys_whatever_the_header_says() {
    let mismatch = Reject::AlgorithmMismatch { header: Algorithm::ES256, key: Algorithm::EdDSA };
    assert_eq!(rejection(r#"{"alg":"ES256","kid":"k"}"#), mismatch);
    for alg in ["none", "None", "HS256", "eddsa", "RS384", "PBES2-HS256+A128KW", ""] {
        assert_eq!(rejection(&format!(r#"{{"alg":"{alg}","kid":"k"}}"#)), Reject::UnsupportedAlgorithm, "{alg}");
    }
}

#[test]
fn a_header_that_offers_a_key_or_an_extension_is_refused_even_when_the_signature_is_good() {
    for name in ["b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"] {
        for value in ["null", "true", "[]", r#"["exp"]"#, r#""https://example.org""#, "{}"] {
            let header = format!(r#"{{"alg":"EdDSA","kid":"k","{name}":{value}}}"#);
            assert_eq!(rejection(&header), Reject::Forbidden(name));
        }
    }
}

#[test]
fn members_of_no_consequence_are_ignored() {
    let fixture = fixture(Algorithm::EdDSA);
    let token = token(&fixture, r#"{"alg":"EdDSA","kid":"k","cty":"x","x5t":"y"}"#);
    let token = UnverifiedToken::parse(&token).unwrap();
    assert!(token.verify(&fixture.key).is_ok());
    assert!(Typ::ALL.into_iter().all(|typ| !token.is_typ(typ)));
}

#[test]
fn alg_kid_and_typ_are_strings_and_the_first_two_are_there() {
    assert_eq!(rejection(r#"{"kid":"k"}"#), Reject::Missing("alg"));
    assert_eq!(rejection(r#"{"alg":null,"kid":"k"}"#), Reject::Missing("alg"));
    assert_eq!(rejection(r#"{"alg":"EdDSA"}"#), Reject::Missing("kid"));
    assert_eq!(rejection(r#"{"alg":"EdDSA","kid":1}"#), Reject::Missing("kid"));
    assert_eq!(rejection(r#"{"alg":"EdDSA","kid":"k","typ":["at+jwt"]}"#), Reject::Typ);
}

#[test]
fn the_header_is_one_json_object_without_repeated_members() {
    for header in [
        r#"{"alg":"none","alg":"EdDSA","kid":"k"}"#,
        r#"{"alg":"EdDSA","kid":"k","x":1,"x":1}"#,
        r#"{"alg":"EdDSA","kid":"k"}{}"#,
        r#"{"alg":"EdDSA","kid":"k",}"#,
        r#"["EdDSA"]"#,
        "EdDSA",
    ] {
        assert_eq!(rejection(header), Reject::Header, "{header}");
    }
    let not_utf8 = URL_SAFE_NO_PAD.encode(b"{\"alg\":\"EdDSA\",\"kid\":\"\xff\"}");
    assert_eq!(UnverifiedToken::parse(&format!("{not_utf8}.AA.AA")).unwrap_err(), Reject::Header);
    let nested = format!(r#"{{"alg":"EdDSA","kid":"k","x":{}"#, "[".repeat(5000));
    assert_eq!(rejection(&nested), Reject::Header);
}

#[test]
fn a_token_has_exactly_three_parts_none_empty() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"k"}"#);
    let parse = |token: &str| UnverifiedToken::parse(token).unwrap_err();
    assert_eq!(parse(""), Reject::Parts(1));
    assert_eq!(parse(&format!("{header}.AA")), Reject::Parts(2));
    assert_eq!(parse(&format!("{header}.AA.AA.AA")), Reject::Parts(4));
    assert_eq!(parse(&format!("{header}.AA.AA.AA.AA")), Reject::Parts(5), "a JWE");
    assert_eq!(parse(".AA.AA"), Reject::Empty(Part::Header));
    assert_eq!(parse(&format!("{header}..AA")), Reject::Empty(Part::Payload));
    assert_eq!(parse(&format!("{header}.AA.")), Reject::Empty(Part::Signature));
}

#[test]
fn a_part_has_one_spelling_only() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"k"}"#);
    let parse = |payload: &str| UnverifiedToken::parse(&format!("{header}.{payload}.AA")).map(|_| ());
    assert_eq!(parse("QQ"), Ok(()));
    for respelled in ["QR", "QQ==", "Q Q", "QQ\n", "+/8", "é", "A"] {
        assert_eq!(parse(respelled), Err(Reject::Base64(Part::Payload)), "{respelled:?}");
    }
}

#[test]
fn a_token_longer_than_8_kb_is_not_read() {
    let fixture = fixture(Algorithm::EdDSA);
    let header = encode_header(Algorithm::EdDSA, "k", Typ::AccessToken);
    let of_payload = |length: usize| sign_compact(&header, &vec![b' '; length], &fixture.signer).unwrap();
    assert!(UnverifiedToken::parse(&of_payload(6000)).is_ok());
    let long = of_payload(6144);
    assert_eq!(UnverifiedToken::parse(&long).unwrap_err(), Reject::TooLong(long.len()));
}

#[test]
fn a_token_changed_in_any_one_character_is_refused() {
    let fixture = fixture(Algorithm::ES256);
    let header = encode_header(Algorithm::ES256, "k", Typ::AccessToken);
    let token = sign_compact(&header, b"{\"sub\":\"a\"}", &fixture.signer).unwrap();
    for at in 0..token.len() {
        let replacement = if &token[at..=at] == "A" { "B" } else { "A" };
        let mut changed = token.clone();
        changed.replace_range(at..=at, replacement);
        let verified =
            UnverifiedToken::parse(&changed).and_then(|token| token.verify(&fixture.key).map(<[u8]>::to_vec));
        assert!(verified.is_err(), "changed at {at}: {changed}");
    }
}
