//! Status lists as they are published (draft-ietf-oauth-status-list-21 §4, §5.1, §9.3).

use serde::Serialize;

/// The claims of a status list token. Times are seconds since 1970.
#[derive(Debug, Serialize)]
pub struct StatusListClaims {
    /// The address of the list: what the `status` claim of a token names.
    pub sub: String,
    pub iat: i64,
    pub exp: i64,
    /// How long a verifier may keep it before it asks again, in seconds.
    pub ttl: i64,
    pub status_list: StatusList,
}

/// The compressed bits.
#[derive(Debug, Serialize)]
pub struct StatusList {
    /// Of one entry. 1: valid or invalid (§7.1).
    pub bits: u8,
    /// zlib, in base64url.
    pub lst: String,
}

/// Every list of the issuer (§9.3).
#[derive(Debug, Serialize)]
pub struct StatusListAggregation {
    pub status_lists: Vec<String>,
}
