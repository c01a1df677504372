//! The compact serialization (RFC 7515 §7.1) of what we sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;

use crate::keys::signer::{SignError, Signer};
use crate::protocol::jwk::Algorithm;

/// What a token is, in its `typ` header, so that one kind never passes for another (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typ {
    /// RFC 9068 §2.1.
    AccessToken,
    /// Token Status List §5.1.
    StatusList,
    /// A seal of the audit trail.
    AuditSeal,
    /// RFC 8417 §2.3.
    SecurityEvent,
}

impl Typ {
    pub const ALL: [Self; 4] = [Self::AccessToken, Self::StatusList, Self::AuditSeal, Self::SecurityEvent];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::StatusList => "statuslist+jwt",
            Self::AuditSeal => "signet-audit-seal+jwt",
            Self::SecurityEvent => "secevent+jwt",
        }
    }

    /// Compares a `typ` header with this type: media types know no case, and `application/` may be left out
    /// (RFC 7515 §4.1.9).
    pub fn matches(self, header: &str) -> bool {
        const PREFIX: &str = "application/";
        let short = match header.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => header,
        };
        short.eq_ignore_ascii_case(self.as_str())
    }
}

/// The encoded header, the same for every token of a key and type: made once, with the key.
pub fn encode_header(alg: Algorithm, kid: &str, typ: Typ) -> String {
    let alg = match alg {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    };
    let mut header = Header::new(alg);
    header.kid = Some(kid.to_owned());
    header.typ = Some(typ.as_str().to_owned());
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).expect("three strings are JSON"))
}

/// Signs `payload` under an encoded header.
///
/// # Errors
/// When the signer does not sign.
pub fn sign_compact(encoded_header: &str, payload: &[u8], signer: &dyn Signer) -> Result<String, SignError> {
    /// A dot and the signature of a 2048-bit key; a longer one grows the buffer once.
    const SIGNATURE_ROOM: usize = 1 + 342;
    let mut token = String::with_capacity(encoded_header.len() + 2 + payload.len() * 4 / 3 + SIGNATURE_ROOM);
    token.push_str(encoded_header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Signer for Echo {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
            Ok(message.to_vec())
        }
    }

    #[test]
    fn the_header_has_alg_kid_and_typ_and_nothing_else() {
        for alg in Algorithm::ALL {
            let header = URL_SAFE_NO_PAD.decode(encode_header(alg, "k\"1", Typ::AccessToken)).unwrap();
            let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header, serde_json::json!({"alg": alg.as_str(), "kid": "k\"1", "typ": "at+jwt"}));
        }
    }

    #[test]
    fn what_is_signed_is_the_encoded_header_dot_payload() {
        let token = sign_compact("HEAD", b"payload?", &Echo).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(signed, "HEAD.cGF5bG9hZD8");
        assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap(), signed.as_bytes());
    }

    #[test]
    fn a_typ_matches_in_any_case_and_with_the_prefix_but_no_other_type() {
        for header in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(Typ::AccessToken.matches(header), "{header}");
            assert!(!Typ::StatusList.matches(header), "{header}");
        }
        for header in ["JWT", "", "application/", "application/application/at+jwt", "at+jwt ", "applicatioñ/at+jwt"] {
            assert!(!Typ::AccessToken.matches(header), "{header}");
        }
    }
}
