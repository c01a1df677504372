//! The small words of requests and settings: scopes, networks, issuers, percent-encoded parts.
//! What is read is written as it can be read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signet::protocol::issuer::Issuer;
use signet::protocol::network::Network;
use signet::protocol::percent;
use signet::protocol::scope::Scope;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(scope) = text.parse::<Scope>() {
        let written = scope.to_string();
        assert_eq!(written.parse(), Ok(scope.clone()));
        assert!(written.len() <= text.len() && scope.is_within(&scope));
        assert!(text.split(' ').all(|token| token.is_empty() || scope.contains(token)));
    }
    if let Ok(network) = text.parse::<Network>() {
        assert_eq!(network.to_string().parse(), Ok(network));
        let first = text.split('/').next().and_then(|address| address.parse().ok()).expect("it was read");
        assert!(network.contains(first));
    }
    if let Ok(issuer) = text.parse::<Issuer>() {
        // It is compared character by character: there must be one spelling.
        assert_eq!(issuer.to_string().parse(), Ok(issuer.clone()));
        assert!(issuer.url("/x").ends_with(&format!("{}/x", issuer.path())) && !issuer.path().ends_with('/'));
        let url = url::Url::parse(issuer.as_str()).expect("an issuer is a URL");
        assert!(url.query().is_none() && url.fragment().is_none() && url.username().is_empty());
        assert!(url.scheme() == "https" || url.scheme() == "http");
    }
    if let Some(decoded) = percent::decode(text) {
        assert_eq!(percent::decode(&percent::encode(&decoded)), Some(decoded));
    }
    assert_eq!(percent::decode(&percent::encode(text)).as_deref(), Some(text));
});
