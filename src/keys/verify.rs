//! Reading a compact JWS that somebody presents (RFC 7515 §5.2, RFC 8725 §3).
//!
//! The header is believed in nothing: it names a key, and must then agree with our record of that key. No key, URL or
//! algorithm of the header is ever used. Claims (`exp`, `iss`, `aud`) are judged elsewhere, after the signature.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::keys::jws::Typ;
use crate::keys::verifying_key::VerifyingKey;
use crate::protocol::jwk::Algorithm;

/// The longest token that is looked at, in bytes. Ours stay below half of it.
const MAX_LENGTH: usize = 8192;

/// Header members that would change how the rest is read (RFC 7515 §4.1.11, RFC 7797; `enc` and `zip` belong to JWE),
/// or that offer a key. A library that ignores them can be talked into trusting the sender's own key.
const FORBIDDEN: [&str; 8] = ["b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"];

/// A well-formed token whose signature has not been checked. Only [`verify`](Self::verify) gives its payload.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    algorithm: Algorithm,
    kid: String,
    typ: Option<String>,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Why a token is not believed. For the log and for `signet token inspect`; a client is told only that it is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    #[error("the header says {header}, but the key's algorithm is {key}")]
    AlgorithmMismatch { header: Algorithm, key: Algorithm },
    #[error("the {0} is not base64url without padding, in its only spelling")]
    Base64(Part),
    #[error("the {0} is empty")]
    Empty(Part),
    #[error("the header has \"{0}\", which is never accepted")]
    Forbidden(&'static str),
    #[error("the header is not a JSON object without repeated members")]
    Header,
    #[error("the header has no \"{0}\", or it is not a string")]
    Missing(&'static str),
    #[error("{0} parts separated by dots, where a signed token has 3")]
    Parts(usize),
    #[error("the signature is not by this key over this header and payload")]
    Signature,
    #[error("{0} bytes, where at most {MAX_LENGTH} are read")]
    TooLong(usize),
    #[error("\"typ\" is not a string")]
    Typ,
    #[error("the header's algorithm is none of ours")]
    UnsupportedAlgorithm,
}

/// A part of a compact JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Header,
    Payload,
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Reads the form strictly: a token has one spelling only, so that what is revoked cannot come back respelled.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(presented: &'a str) -> Result<Self, Reject> {
        if presented.len() > MAX_LENGTH {
            return Err(Reject::TooLong(presented.len()));
        }
        let parts = presented.split('.').count();
        let Some((signed, signature)) = presented.rsplit_once('.').filter(|_| parts == 3) else {
            return Err(Reject::Parts(parts));
        };
        let Some((header, payload)) = signed.split_once('.') else {
            return Err(Reject::Parts(parts));
        };
        let header = parse_header(&decode(Part::Header, header)?)?;
        Ok(Self {
            algorithm: header.algorithm,
            kid: header.kid,
            typ: header.typ,
            signed,
            payload: decode(Part::Payload, payload)?,
            signature: decode(Part::Signature, signature)?,
        })
    }

    /// Which key it claims to be signed by: to be looked up by exact match among keys already in memory.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether it claims to be of this type. A token without `typ` is of none.
    pub fn is_typ(&self, typ: Typ) -> bool {
        self.typ.as_deref().is_some_and(|header| typ.matches(header))
    }

    /// The payload, if `key` signed it by the key's own algorithm. A token without `typ`, or of another type than
    /// expected, still passes here: ask [`is_typ`](Self::is_typ).
    ///
    /// # Errors
    /// [`Reject::AlgorithmMismatch`] or [`Reject::Signature`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<&[u8], Reject> {
        if self.algorithm != key.algorithm() {
            return Err(Reject::AlgorithmMismatch { header: self.algorithm, key: key.algorithm() });
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(Reject::Signature);
        }
        Ok(&self.payload)
    }
}

fn decode(part: Part, base64url: &str) -> Result<Vec<u8>, Reject> {
    if base64url.is_empty() {
        return Err(Reject::Empty(part));
    }
    // This engine refuses padding, and bits left over at the end that are not zero.
    URL_SAFE_NO_PAD.decode(base64url).map_err(|_| Reject::Base64(part))
}

struct Header {
    algorithm: Algorithm,
    kid: String,
    typ: Option<String>,
}

fn parse_header(json: &[u8]) -> Result<Header, Reject> {
    let Object(mut members) = serde_json::from_slice(json).map_err(|_| Reject::Header)?;
    if let Some(name) = FORBIDDEN.into_iter().find(|name| members.contains_key(*name)) {
        return Err(Reject::Forbidden(name));
    }
    let Some(Value::String(alg)) = members.remove("alg") else { return Err(Reject::Missing("alg")) };
    let algorithm = alg.parse().map_err(|_| Reject::UnsupportedAlgorithm)?;
    let Some(Value::String(kid)) = members.remove("kid") else { return Err(Reject::Missing("kid")) };
    let typ = match members.remove("typ") {
        None => None,
        Some(Value::String(typ)) => Some(typ),
        Some(_) => return Err(Reject::Typ),
    };
    Ok(Header { algorithm, kid, typ })
}

/// A JSON object whose members are all different (RFC 7515 §4 demands it; parsers that take the last one, and parsers
/// that take the first, can be played against each other).
struct Object(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a repeated member"));
            }
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests;
