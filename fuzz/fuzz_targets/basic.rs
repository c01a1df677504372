//! Basic credentials: what a client encodes comes out again, and what is read can be encoded again.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use signet::protocol::basic::{BasicCredentials, BasicError};
use signet_fuzz::halves;

fn header(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret))))
}

fn is_text(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && c != '\t')
}

fuzz_target!(|input: &[u8]| {
    // As a header.
    match BasicCredentials::parse(input) {
        Ok(read) => {
            assert!(input.len() > 6 && input[..6].eq_ignore_ascii_case(b"basic "));
            assert!(!read.client_id.is_empty() && is_text(&read.client_id) && is_text(read.client_secret.expose()));
            let again = BasicCredentials::parse(header(&read.client_id, read.client_secret.expose()).as_bytes());
            let again = again.expect("what was read can be encoded");
            assert_eq!(again.client_id, read.client_id);
            assert_eq!(again.client_secret.expose(), read.client_secret.expose());
        }
        Err(BasicError::Scheme) => {
            let scheme = input.split(|byte| *byte == b' ').next().unwrap_or_default();
            assert!(!scheme.eq_ignore_ascii_case(b"basic"));
        }
        Err(BasicError::Malformed) => {}
    }
    // As what is in it.
    let inner = [b"Basic ".as_slice(), STANDARD.encode(input).as_bytes()].concat();
    if let Ok(read) = BasicCredentials::parse(&inner) {
        let colon = input.iter().position(|byte| *byte == b':').expect("a colon separates the two");
        assert!(read.client_id.len() <= colon && read.client_secret.expose().len() <= input.len() - colon - 1);
    }
    // As what a client would say.
    let (client_id, secret) = halves(input);
    if let (Ok(client_id), Ok(secret)) = (std::str::from_utf8(client_id), std::str::from_utf8(secret)) {
        let read = BasicCredentials::parse(header(client_id, secret).as_bytes());
        let may_be = !client_id.is_empty() && is_text(client_id) && is_text(secret);
        assert_eq!(read.is_ok(), may_be);
        if let Ok(read) = read {
            assert_eq!((&*read.client_id, read.client_secret.expose()), (client_id, secret));
        }
    }
});
