//! Why a token is refused: exactly, for the log of the API. Callers are told far less (RFC 6750 §3.1).

use std::fmt;

use crate::Algorithm;

/// A part of a compact JWS (RFC 7515 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first part.
    Header,
    /// The second part.
    Payload,
    /// The third part.
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

/// Why a JWS of the expected type is not believed, whatever its claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Its length alone.
    #[error("{length} bytes, where at most {limit} are read")]
    TooLong {
        /// In bytes.
        length: usize,
        /// In bytes.
        limit: usize,
    },
    /// It is not in compact form.
    #[error("{0} parts separated by dots, where a signed token has 3")]
    Parts(usize),
    /// Padding, another alphabet, white space, or left-over bits that are not zero.
    #[error("the {0} is not base64url without padding, in its only spelling")]
    Base64(Part),
    /// A part with nothing in it, as the signature of an unsigned token.
    #[error("the {0} is empty")]
    Empty(Part),
    /// The header is no JSON object, is longer than 1 KiB, has a member twice, or one of the wrong type.
    #[error("the header is not a short JSON object without repeated members")]
    Header,
    /// A header member that would change how the rest is read (`crit`, `b64`, `enc`, `zip`), or that offers a key.
    #[error("the header has \"{0}\", which is never accepted")]
    Forbidden(&'static str),
    /// A header member that must be there.
    #[error("the header has no \"{0}\"")]
    Missing(&'static str),
    /// Another kind of token.
    #[error("its typ is not {0}")]
    Type(&'static str),
    /// `none`, an HMAC, or something else that this crate does not verify.
    #[error("the header's algorithm is none that is verified here")]
    UnsupportedAlgorithm,
    /// The policy leaves it out.
    #[error("the policy does not allow {0}")]
    AlgorithmNotAllowed(Algorithm),
    /// No key of that name is in the set. The name is somebody's text, and not repeated.
    #[error("its key is not in the key set")]
    UnknownKey,
    /// The header does not agree with the key.
    #[error("the header says {header}, but the key's algorithm is {key}")]
    AlgorithmMismatch {
        /// What the token claims.
        header: Algorithm,
        /// What the key set says.
        key: Algorithm,
    },
    /// Tampered with, or signed by another.
    #[error("the signature is not by this key over this header and payload")]
    Signature,
    /// The payload is no JSON object, has a member twice, or one of the wrong type.
    #[error("the claims cannot be read: {0}")]
    Claims(String),
    /// A claim that must be there.
    #[error("the claim \"{0}\" is missing")]
    ClaimMissing(&'static str),
    /// Somebody else's token, though signed by a key of ours.
    #[error("its issuer is another")]
    Issuer,
    /// How many seconds ago.
    #[error("it expired {0} seconds ago")]
    Expired(i64),
    /// `nbf` is so many seconds away.
    #[error("it is not valid for another {0} seconds")]
    NotYetValid(i64),
    /// `iat` is so many seconds away: somebody's clock is wrong.
    #[error("it says that it was issued {0} seconds in the future")]
    IssuedInFuture(i64),
}

/// Why an access token is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its form, its signature, or a claim that every JWT has.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// It is for another API.
    #[error("it is for another audience")]
    Audience,
    /// The policy demands a status and the token has none.
    #[error("it has no status_list claim, which the policy demands")]
    NoStatus,
    /// The list it names does not lie below the issuer's prefix, and is not asked for.
    #[error("its status list is not one of the issuer's")]
    ForeignStatusList,
    /// The list is not there, or too old to be believed. Says nothing of the token.
    #[error("no usable status list: {0}")]
    StatusUnavailable(StatusUnavailable),
    /// The list has no such entry.
    #[error("its status index {index} is outside the list of {entries} entries")]
    StatusIndex {
        /// Of the token.
        index: u64,
        /// Of the list.
        entries: u64,
    },
    /// Status 1.
    #[error("it was revoked")]
    Revoked,
    /// Status 2.
    #[error("it is suspended")]
    Suspended,
    /// A status that has no meaning here (Token Status List §7.1).
    #[error("its status is {0}, which is not known")]
    UnknownStatus(u8),
    /// The issuer's keys could not be had. Says nothing of the token.
    #[error("the issuer's key set is not available: {0}")]
    KeysUnavailable(String),
}

/// Why a status list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusUnavailable {
    /// None is held for the URI.
    #[error("none is held")]
    Missing,
    /// The one that is held has expired.
    #[error("the one at hand has expired")]
    Expired,
    /// It was asked for in vain.
    #[error("{0}")]
    Fetch(String),
}

impl Error {
    /// Whether nothing is known to be wrong with the token: what is needed to judge it could not be had. It may be tried
    /// again (503), where every other error is final (401).
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_) | Self::StatusUnavailable(_))
    }
}
