//! The token of a request (RFC 6750 §2.1), and what is answered where there is none that will do (RFC 6750 §3).
//!
//! Only the `Authorization` header is read. Tokens in queries end up in logs (RFC 9700 §4.3.2).

use crate::{AccessToken, Error};

/// Scopes that a token must have, all of them; declared with [`scopes!`](crate::scopes).
pub trait Scopes {
    /// The scopes.
    const REQUIRED: &'static [&'static str];
}

impl Scopes for () {
    const REQUIRED: &'static [&'static str] = &[];
}

/// Declares a type that stands for required scopes.
///
/// ```
/// signet_verifier::scopes!(pub ReadReports = "reports:read");
/// signet_verifier::scopes!(pub ManageReports = "reports:read", "reports:write");
/// ```
#[macro_export]
macro_rules! scopes {
    ($visibility:vis $name:ident = $($scope:literal),+ $(,)?) => {
        #[doc = concat!("Requires", $(" `", $scope, "`",)+ ".")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::Scopes for $name {
            const REQUIRED: &'static [&'static str] = &[$($scope),+];
        }
    };
}

/// Why a request is not served. For the API's log: the caller is told what RFC 6750 has him told.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No `Authorization` header with the scheme `Bearer`.
    #[error("no access token")]
    NoToken,
    /// Two `Authorization` headers, or one whose token could not be one.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// The token is not good, or cannot be judged.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The scopes that it takes, separated by spaces.
    #[error("the token lacks one of the scopes {0}")]
    Scope(Box<str>),
}

impl Denied {
    /// The HTTP status: 400, 401, 403 or 503.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NoToken => 401,
            Self::Refused(error) if error.is_unavailable() => 503,
            Self::Refused(_) => 401,
            Self::Scope(_) => 403,
        }
    }

    /// The `WWW-Authenticate` header; none where nothing is wrong with what the caller sent.
    pub fn challenge(&self, realm: &str) -> Option<String> {
        Some(match self {
            // Who sent no token gets no error code (RFC 6750 §3.1).
            Self::NoToken => format!(r#"Bearer realm="{realm}""#),
            Self::Malformed => error(realm, "invalid_request", "The request is malformed."),
            Self::Refused(reason) if reason.is_unavailable() => return None,
            Self::Refused(_) => error(realm, "invalid_token", "The access token is not valid."),
            Self::Scope(scope) => {
                let challenge = error(realm, "insufficient_scope", "The access token lacks a required scope.");
                format!(r#"{challenge}, scope="{scope}""#)
            }
        })
    }

    /// Seconds to wait before trying again, for `Retry-After`.
    pub fn retry_after(&self) -> Option<u32> {
        (self.status() == 503).then_some(10)
    }
}

fn error(realm: &str, code: &str, description: &str) -> String {
    format!(r#"Bearer realm="{realm}", error="{code}", error_description="{description}""#)
}

/// The token of the only `Authorization` header.
#[cfg(any(feature = "actix", feature = "tower"))]
pub(crate) fn presented<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Result<&'a str, Denied> {
    let header = headers.next().ok_or(Denied::NoToken)?;
    if headers.next().is_some() {
        return Err(Denied::Malformed);
    }
    let header = std::str::from_utf8(header).map_err(|_| Denied::Malformed)?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::NoToken);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() || token.contains([' ', ',', '\t']) { Err(Denied::Malformed) } else { Ok(token) }
}

/// Whether the token has all of them.
pub(crate) fn require<S: AsRef<str>>(token: &AccessToken, scopes: &[S]) -> Result<(), Denied> {
    if scopes.iter().all(|scope| token.has_scope(scope.as_ref())) {
        return Ok(());
    }
    let scopes: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
    // What is no scope-token (RFC 6749 §3.3) has no place in a quoted string.
    let is_printable = |c: &char| (' '..='~').contains(c) && !['"', '\\'].contains(c);
    Err(Denied::Scope(scopes.join(" ").chars().filter(is_printable).collect()))
}

impl AccessToken {
    /// Whether it has these scopes, where they depend on more than the route.
    ///
    /// # Errors
    /// [`Denied::Scope`].
    pub fn require(&self, scopes: &[&str]) -> Result<(), Denied> {
        require(self, scopes)
    }
}

#[cfg(all(test, any(feature = "actix", feature = "tower")))]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_from_exactly_one_bearer_header() {
        let of = |headers: &[&'static str]| presented(headers.iter().map(|header| header.as_bytes()));
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(of(&[header]).unwrap(), "a.b.c");
        }
        for none in [&[][..], &["Basic a.b.c"], &["Bearera.b.c"], &[""], &["DPoP a.b.c"]] {
            assert!(matches!(of(none), Err(Denied::NoToken)), "{none:?}");
        }
        let two = &["Bearer a.b.c", "Bearer a.b.c"][..];
        for malformed in [two, &["Bearer"], &["Bearer "], &["Bearer a b"], &["Bearer a.b.c, Bearer a.b.c"]] {
            assert!(matches!(of(malformed), Err(Denied::Malformed)), "{malformed:?}");
        }
    }

    #[test]
    fn the_caller_is_not_told_why_a_token_is_refused() {
        let challenge = |error| Denied::Refused(error).challenge("r").unwrap();
        assert_eq!(challenge(Error::Revoked), challenge(Error::Audience));
    }
}
