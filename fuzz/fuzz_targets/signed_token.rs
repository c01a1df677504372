//! Header and claims behind a signature that is right: what is believed says, as any JSON parser reads it, what it must.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use signet::keys::{Typ, UnverifiedToken};
use signet_fuzz::{AUDIENCE, FORBIDDEN, ISSUER, KID, NOW, halves, keys, policy, sign, verifying_key};

fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

fn is_for_us(aud: &Value) -> bool {
    aud == AUDIENCE || aud.as_array().is_some_and(|all| all.iter().any(|one| one == AUDIENCE))
}

fn is_access_token(typ: &Value) -> bool {
    let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == "at+jwt"
}

fuzz_target!(|input: &[u8]| {
    // The whole input are the claims, under a good header; or it is both.
    let good = format!(r#"{{"alg":"EdDSA","kid":"{KID}","typ":"at+jwt"}}"#);
    let (header, payload) = if input.contains(&0) { halves(input) } else { (good.as_bytes(), input) };
    let token = sign(header, payload);

    let believed = policy().verify_signed(&token, keys(), NOW);
    let issuers = UnverifiedToken::parse(&token).ok().filter(|token| token.verify(verifying_key()).is_ok());
    if believed.is_ok() || issuers.is_some() {
        let header = object(header).expect("a header that is believed is an object");
        assert_eq!((&header["alg"], header.get("kid").is_some_and(Value::is_string)), (&"EdDSA".into(), true));
        assert!(FORBIDDEN.iter().all(|member| !header.contains_key(*member)), "a forbidden member");
        let is_typ = header.get("typ").is_some_and(is_access_token);
        assert!(issuers.as_ref().is_none_or(|token| token.is_typ(Typ::AccessToken) == is_typ), "the types differ");
    }
    let Ok(signed) = believed else { return };
    // The issuer reads half of the length that the verifier does.
    assert!(issuers.is_some() || token.len() > 8192, "the issuer cannot read what the verifier believes");
    let header = object(header).expect("an object");
    assert!(header["kid"] == KID && is_access_token(&header["typ"]));
    let claims = object(payload).expect("claims that are believed are an object");
    assert_eq!(claims["iss"], ISSUER);
    assert!(is_for_us(&claims["aud"]));
    let now = NOW.as_secs() as f64;
    assert!(claims["exp"].as_f64().is_some_and(|exp| exp > now), "it has expired");
    assert!(claims.get("nbf").is_none_or(|nbf| nbf.as_f64().is_some_and(|nbf| nbf <= now)), "not yet valid");
    assert!(claims["iat"].as_f64().is_some_and(|iat| iat < now + 1.0), "issued in the future");
    for member in ["sub", "client_id", "jti"] {
        assert!(claims[member].is_string());
    }
    let reference = claims.get("status").and_then(|status| status.get("status_list"));
    match (signed.status(), reference) {
        (None, None) => {}
        (Some(read), Some(written)) => {
            assert_eq!((Some(&*read.uri), Some(read.index)), (written["uri"].as_str(), written["idx"].as_u64()));
        }
        _ => panic!("a status that is read otherwise than written"),
    }
});
