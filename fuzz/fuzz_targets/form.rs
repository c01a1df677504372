//! `application/x-www-form-urlencoded` bodies: what is accepted is what the WHATWG parser reads, and what is refused has
//! one of the faults for which it may be.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use signet::protocol::form::{Form, FormError};
use signet::protocol::token::TokenRequest;

/// Percent-decoding as plainly as it can be written; `None` for an escape that is none.
fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < encoded.len() {
        match encoded[at] {
            b'%' => {
                let digits = encoded.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                at += 2;
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
        at += 1;
    }
    Some(bytes)
}

fuzz_target!(|body: &[u8]| {
    let outcome = Form::parse(body);
    let lenient: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    match &outcome {
        Ok(form) => {
            let names: BTreeSet<&str> = lenient.iter().map(|(name, _)| name.as_str()).collect();
            for name in names {
                let theirs: Vec<&str> = lenient
                    .iter()
                    .filter(|(known, value)| known == name && !value.is_empty())
                    .map(|(_, value)| value.as_str())
                    .collect();
                assert_eq!(form.all(name).collect::<Vec<_>>(), theirs);
                assert_eq!(form.optional(name), theirs.first().copied());
                assert!(name == "resource" || theirs.len() < 2, "a repeated parameter was accepted");
            }
            for (name, value) in &lenient {
                assert!(!name.chars().chain(value.chars()).any(|c| c.is_control() && c != '\t'), "a control character");
            }
            assert!(lenient.len() <= 64);
            // Whatever comes of it.
            drop(TokenRequest::from_form(form));
        }
        Err(fault) => {
            let pairs: Vec<&[u8]> = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).collect();
            let halves = pairs.iter().flat_map(|pair| pair.splitn(2, |byte| *byte == b'='));
            let decoded: Vec<Option<Vec<u8>>> = halves.map(decoded).collect();
            let texts = || decoded.iter().flatten().map(|bytes| std::str::from_utf8(bytes));
            let is_true = match fault {
                FormError::Escape => decoded.iter().any(Option::is_none),
                FormError::Encoding => texts().any(|text| text.is_err()),
                FormError::Control => texts().flatten().any(|text| text.contains(|c: char| c.is_control() && c != '\t')),
                FormError::TooMany => pairs.len() > 64,
                FormError::Repeated => {
                    let names = lenient.iter().map(|(name, _)| name).filter(|name| *name != "resource");
                    let mut seen = BTreeSet::new();
                    names.into_iter().any(|name| !seen.insert(name))
                }
                FormError::Missing | FormError::Malformed => false,
            };
            assert!(is_true, "refused for {fault}, which it does not have");
        }
    }
});
