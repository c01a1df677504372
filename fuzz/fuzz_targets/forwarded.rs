//! `Forwarded` and `X-Forwarded-For`: a proxy's header names a client, or the proxy is taken for it; and a stranger's
//! header changes nothing.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use signet::http::fuzzing::behind;
use signet_fuzz::halves;

const PROXY: &str = "10.0.0.1";
const STRANGER: &str = "192.0.2.1";

fuzz_target!(|input: &[u8]| {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let (forwarded, x_forwarded_for) = halves(input);
    let both = [(true, forwarded), (false, x_forwarded_for)];
    for headers in [&both[..1], &both[1..], &both[..]] {
        assert_eq!(behind(address(STRANGER), &trusted, headers), Some(address(STRANGER)));
        let client = behind(address(PROXY), &trusted, headers);
        assert!(client.is_some() || headers.len() == 2, "one header cannot disagree with itself");
        assert!(client.is_none_or(|client| client == client.to_canonical()), "an IPv4 address written as IPv6");
    }
    // What the proxy itself has seen comes last, and holds whatever was said before.
    let Ok(said) = std::str::from_utf8(x_forwarded_for) else { return };
    let list = format!("{said}, 198.51.100.7");
    let client = behind(address(PROXY), &trusted, &[(false, list.as_bytes())]);
    let is_header = !said.bytes().any(|byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f));
    if is_header && said.is_ascii() {
        assert_eq!(client, Some(address("198.51.100.7")));
    }
});
