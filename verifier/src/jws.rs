//! A compact JWS, from its bytes to its signed payload (RFC 7515 §5.2, RFC 8725 §3).
//!
//! The header is believed in nothing: it names a key, and must then agree with what the key set says of that key. No key,
//! URL or algorithm of the header is ever used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{JwsError, Part};
use crate::json::{Text, Unread, object};
use crate::{Algorithm, KeySet};

/// The longest decoded header, and the longest signature (RSA with 8192 bits), in bytes; with what the decoder wants to
/// spare.
const HEADER_ROOM: usize = 1024;
const SIGNATURE_ROOM: usize = 1024 + 8;

object! {
    Header<'a> {
        alg: Text<'a> = "alg",
        kid: Text<'a> = "kid",
        typ: Text<'a> = "typ",
        b64: Unread = "b64",
        crit: Unread = "crit",
        enc: Unread = "enc",
        jku: Unread = "jku",
        jwk: Unread = "jwk",
        x5c: Unread = "x5c",
        x5u: Unread = "x5u",
        zip: Unread = "zip",
    }
}

impl Header<'_> {
    fn forbidden(&self) -> Option<&'static str> {
        let members = [
            ("b64", &self.b64),
            ("crit", &self.crit),
            ("enc", &self.enc),
            ("jku", &self.jku),
            ("jwk", &self.jwk),
            ("x5c", &self.x5c),
            ("x5u", &self.x5u),
            ("zip", &self.zip),
        ];
        members.into_iter().find(|(_, member)| member.is_some()).map(|(name, _)| name)
    }
}

/// What a JWS must be.
pub(crate) struct Expected<'a> {
    /// Without `application/`.
    pub(crate) typ: &'static str,
    pub(crate) algorithms: &'a [Algorithm],
    pub(crate) longest: usize,
}

impl Expected<'_> {
    /// The payload, if a key of the set signed it under a header that says so.
    pub(crate) fn payload(&self, token: &str, keys: &KeySet) -> Result<String, JwsError> {
        if token.len() > self.longest {
            return Err(JwsError::TooLong { length: token.len(), limit: self.longest });
        }
        let parts = || JwsError::Parts(token.split('.').count());
        let (signed, signature) = token.rsplit_once('.').ok_or_else(parts)?;
        let (header, payload) = signed.split_once('.').ok_or_else(parts)?;
        if payload.contains('.') {
            return Err(parts());
        }
        if payload.is_empty() {
            return Err(JwsError::Empty(Part::Payload));
        }
        if signature.is_empty() {
            return Err(JwsError::Empty(Part::Signature));
        }

        let mut room = [0; HEADER_ROOM + 8];
        let header = decode_header(header, &mut room)?;
        let (alg, kid) = self.judge_header(&header)?;
        let key = keys.find(kid).ok_or(JwsError::UnknownKey)?;
        if key.algorithm() != alg {
            return Err(JwsError::AlgorithmMismatch { header: alg, key: key.algorithm() });
        }

        let mut room = [0; SIGNATURE_ROOM];
        let length =
            URL_SAFE_NO_PAD.decode_slice(signature, &mut room).map_err(|_| JwsError::Base64(Part::Signature))?;
        if !key.verifies(signed.as_bytes(), &room[..length]) {
            return Err(JwsError::Signature);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| JwsError::Base64(Part::Payload))?;
        String::from_utf8(payload).map_err(|_| JwsError::Claims("not UTF-8".into()))
    }

    fn judge_header<'h>(&self, header: &'h Header<'_>) -> Result<(Algorithm, &'h str), JwsError> {
        if let Some(name) = header.forbidden() {
            return Err(JwsError::Forbidden(name));
        }
        let typ = header.typ.as_ref().ok_or(JwsError::Missing("typ"))?;
        if !is_media_type(typ.as_str(), self.typ) {
            return Err(JwsError::Type(self.typ));
        }
        let alg = header.alg.as_ref().ok_or(JwsError::Missing("alg"))?;
        let alg = Algorithm::from_name(alg.as_str()).ok_or(JwsError::UnsupportedAlgorithm)?;
        if !self.algorithms.contains(&alg) {
            return Err(JwsError::AlgorithmNotAllowed(alg));
        }
        let kid = header.kid.as_ref().ok_or(JwsError::Missing("kid"))?;
        Ok((alg, kid.as_str()))
    }
}

fn decode_header<'r>(base64url: &str, room: &'r mut [u8]) -> Result<Header<'r>, JwsError> {
    if base64url.is_empty() {
        return Err(JwsError::Empty(Part::Header));
    }
    if base64url.len() > HEADER_ROOM.div_ceil(3) * 4 {
        return Err(JwsError::Header);
    }
    // This engine refuses padding, and bits left over at the end that are not zero.
    let length = URL_SAFE_NO_PAD.decode_slice(base64url, room).map_err(|_| JwsError::Base64(Part::Header))?;
    let json = std::str::from_utf8(&room[..length]).map_err(|_| JwsError::Header)?;
    serde_json::from_str(json).map_err(|_| JwsError::Header)
}

/// The `kid` that a token names, unverified: good for nothing but to look for that key.
#[cfg(feature = "client")]
pub(crate) fn unverified_kid(token: &str) -> Option<String> {
    let mut room = [0; HEADER_ROOM + 8];
    let header = decode_header(token.split('.').next()?, &mut room).ok()?;
    header.kid.map(|kid| kid.0.into_owned())
}

/// Media types know no case, and `application/` may be left out (RFC 7515 §4.1.9).
fn is_media_type(typ: &str, expected: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typ_matches_in_any_case_and_with_the_prefix_but_no_other_type() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(is_media_type(typ, "at+jwt"), "{typ}");
            assert!(!is_media_type(typ, "statuslist+jwt"), "{typ}");
        }
        for typ in ["JWT", "", "application/", "application/application/at+jwt", "at+jwt ", "applicatioñ/at+jwt"] {
            assert!(!is_media_type(typ, "at+jwt"), "{typ}");
        }
    }

    #[test]
    fn a_header_of_more_than_a_kibibyte_is_not_read() {
        let header = |length: usize| URL_SAFE_NO_PAD.encode(format!(r#"{{"x":"{}"}}"#, "a".repeat(length - 8)));
        let mut room = [0; HEADER_ROOM + 8];
        assert!(decode_header(&header(HEADER_ROOM), &mut room).is_ok());
        assert!(matches!(decode_header(&header(HEADER_ROOM + 8), &mut room), Err(JwsError::Header)));
    }
}
