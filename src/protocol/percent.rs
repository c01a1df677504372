//! Percent-encoding (RFC 3986 §2.1) of one part of a path, or of one half of Basic credentials (RFC 6749 §2.3.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but what is unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// `None`: not UTF-8, or a percent sign that encodes nothing.
pub fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let bytes = text.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let are_whole = escapes
        .map(|(at, _)| bytes.get(at + 1..at + 3))
        .all(|digits| digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    are_whole.then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_one_part_and_comes_back() {
        for text in ["https://api.example/a?b", "zoë maria", "100%", "a-b.c_d~e"] {
            let encoded = encode(text);
            assert!(!encoded.contains(['/', '?', ' ']), "{encoded}");
            assert_eq!(decode(&encoded).as_deref(), Some(text));
        }
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
