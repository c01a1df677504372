//! Whether a presented token is an access token of our issuer, for this API, and still good (RFC 9068 §4, RFC 8725).
//!
//! Offline: a revoked token is accepted until it expires. An API that cannot wait asks the introspection endpoint about
//! the requests that matter (RFC 7662).

use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

use super::key_set::{KeySet, Unavailable};

/// How far the clocks of issuer and API may differ, in seconds.
const LEEWAY: u64 = 60;

/// A token that was verified. Only [`Verifier::verify`] makes one.
#[derive(Debug)]
pub struct AccessToken {
    /// `sub`: a user's id, or the `client_id` where the client acts for itself.
    pub subject: String,
    scope: String,
}

impl AccessToken {
    pub fn has_scope(&self, wanted: &str) -> bool {
        self.scope.split(' ').any(|scope| scope == wanted)
    }
}

/// Why a token is refused: for the log, not for the caller.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the token is not valid: {0}")]
    Invalid(#[from] jsonwebtoken::errors::Error),
    #[error("its typ is not at+jwt: it is a JWT for another purpose")]
    Type,
    #[error("it has a critical header parameter")]
    Critical,
    #[error("its key is not in the issuer's key set")]
    UnknownKey,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What this API trusts.
pub struct Verifier {
    keys: KeySet,
    validation: Validation,
}

/// The claims that are used. `iss`, `aud`, `exp` and `nbf` are checked while decoding and not needed later.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    scope: String,
}

impl Verifier {
    /// For tokens of `issuer` with `audience`. Both are compared as they are, letter by letter.
    pub fn new(issuer: String, audience: &str, keys: KeySet) -> Self {
        let mut validation = Validation::default();
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Without this line a token that leaves out `iss` or `aud` would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self { keys, validation }
    }

    /// # Errors
    /// [`Refusal::Unavailable`] when the issuer's keys cannot be fetched: it says nothing of the token.
    pub async fn verify(&self, presented: &str) -> Result<AccessToken, Refusal> {
        // Nothing in the header is trusted: it says what the token claims to be, and which of the keys to try.
        let header = decode_header(presented)?;
        let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt" {
            return Err(Refusal::Type);
        }
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        let kid = header.kid.ok_or(Refusal::UnknownKey)?;
        let key = self.keys.find(&kid).await?.ok_or(Refusal::UnknownKey)?;
        // The key set says what the key is for; a header that says another algorithm is refused.
        let validation = Validation { algorithms: vec![key.algorithm], ..self.validation.clone() };
        let Claims { sub, scope } = decode(presented, &key.key, &validation)?.claims;
        Ok(AccessToken { subject: sub, scope })
    }
}
