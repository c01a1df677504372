//! Audience and `resource` (RFC 8707 §2): the URI that names an API.

/// Whether `uri` may name an API: an absolute URI without fragment, of printable ASCII, at most 1,024 bytes. It is kept
/// and compared as it was written: an `aud` that verifiers compare letter by letter must not be rewritten here.
///
/// # Errors
/// What is wrong, as a sentence's end.
pub fn check(uri: &str) -> Result<(), &'static str> {
    if uri.len() > 1024 {
        return Err("is longer than 1,024 bytes");
    }
    if !uri.bytes().all(|byte| (0x21..=0x7E).contains(&byte)) {
        return Err("has a character that is not printable ASCII");
    }
    if uri.contains('#') {
        return Err("has a fragment (RFC 8707 section 2 forbids it)");
    }
    match url::Url::parse(uri) {
        Ok(_) => Ok(()),
        Err(_) => Err("is not an absolute URI, such as https://api.example.com"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_absolute_uris_without_fragment_name_an_api() {
        for good in ["https://api.example.com", "urn:example:erp", "https://api.example.com/v1?tenant=7"] {
            assert_eq!(super::check(good), Ok(()), "{good}");
        }
        for bad in ["", "api", "/v1", "https://api.example.com/#x", "https://é.example", "https://a b"] {
            assert!(super::check(bad).is_err(), "{bad}");
        }
    }
}
