//! HTTP Basic credentials of a client (RFC 7617, RFC 6749 §2.3.1): both parts are form-encoded inside the base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::form;
use crate::secret::Secret;

/// What an `Authorization` header of the Basic scheme presents.
#[derive(Debug)]
pub struct BasicCredentials {
    pub client_id: String,
    pub client_secret: Secret,
}

/// Why an `Authorization` header gives no credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BasicError {
    /// Another scheme.
    Scheme,
    Malformed,
}

impl BasicCredentials {
    /// Reads the value of an `Authorization` header. The scheme's name is compared without case (RFC 9110 §11.1).
    pub fn parse(header: &[u8]) -> Result<Self, BasicError> {
        let (scheme, encoded) = header.split_at(header.iter().position(|byte| *byte == b' ').unwrap_or(header.len()));
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return Err(BasicError::Scheme);
        }
        let decoded = STANDARD.decode(encoded.trim_ascii()).map_err(|_| BasicError::Malformed)?;
        let decoded = Zeroizing::new(decoded);
        let colon = decoded.iter().position(|byte| *byte == b':').ok_or(BasicError::Malformed)?;
        let client_id = form::decode(&decoded[..colon]).map_err(|_| BasicError::Malformed)?;
        let secret = form::decode(&decoded[colon + 1..]).map_err(|_| BasicError::Malformed)?;
        if client_id.is_empty() {
            return Err(BasicError::Malformed);
        }
        Ok(Self { client_id: client_id.to_string(), client_secret: Secret::new(secret.as_str()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(plain: &[u8]) -> Result<(String, String), BasicError> {
        let header = format!("Basic {}", STANDARD.encode(plain));
        BasicCredentials::parse(header.as_bytes())
            .map(|credentials| (credentials.client_id, credentials.client_secret.expose().to_owned()))
    }

    #[test]
    fn both_parts_are_form_decoded() {
        assert_eq!(parse(b"a%3Ab:s%2Bt+u"), Ok(("a:b".into(), "s+t u".into())));
        assert_eq!(parse(b"a:b:c"), Ok(("a".into(), "b:c".into())));
    }

    #[test]
    fn the_scheme_is_matched_without_case() {
        assert!(BasicCredentials::parse(b"bAsIc YTpi").is_ok());
        assert_eq!(BasicCredentials::parse(b"Bearer YTpi").unwrap_err(), BasicError::Scheme);
    }

    #[test]
    fn what_is_malformed_gives_no_credentials() {
        for plain in [&b"nocolon"[..], b":secret", b"a%:b", b"\xff:b", b"a:b%00"] {
            assert_eq!(parse(plain), Err(BasicError::Malformed), "{plain:?}");
        }
        for header in [&b"Basic"[..], b"Basic ", b"Basic !!!", b"Basic YTpi YTpi"] {
            assert_eq!(BasicCredentials::parse(header).unwrap_err(), BasicError::Malformed, "{header:?}");
        }
    }
}
