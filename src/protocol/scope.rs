//! Scope (RFC 6749 §3.3): a list of case-sensitive tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest accepted `scope` value in bytes, checked before it is taken apart.
const MAX_BYTES: usize = 4096;

/// Most tokens in one scope.
const MAX_TOKENS: usize = 128;

/// Scope tokens in the order they were given, each once. On the wire: separated by single spaces.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[schema(value_type = String, example = "read write")]
#[serde(into = "String", try_from = "String")]
pub struct Scope(Vec<String>);

/// Why a scope is malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScopeError {
    #[error("a scope may have {MAX_BYTES} bytes and {MAX_TOKENS} tokens at most")]
    TooLong,
    #[error("a scope token is printable ASCII without quotation mark and backslash, separated by one space each")]
    Malformed,
}

impl Scope {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own == token)
    }

    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// What both have, in this one's order.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| other.contains(token)).cloned().collect())
    }

    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > MAX_BYTES {
            return Err(ScopeError::TooLong);
        }
        let mut tokens: Vec<String> = Vec::new();
        if text.is_empty() {
            return Ok(Self(tokens));
        }
        for token in text.split(' ') {
            if token.is_empty() || !token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
                return Err(ScopeError::Malformed);
            }
            if !tokens.iter().any(|known| known == token) {
                tokens.push(token.to_owned());
            }
            if tokens.len() > MAX_TOKENS {
                return Err(ScopeError::TooLong);
            }
        }
        Ok(Self(tokens))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_drops_repetitions() {
        let scope: Scope = "write read write".parse().unwrap();
        assert_eq!(scope.to_string(), "write read");
    }

    #[test]
    fn refuses_what_rfc_6749_does_not_allow() {
        for text in [" ", "a  b", " a", "a ", "a\tb", "\"", "\\", "é", "a\u{0}"] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Malformed), "{text:?}");
        }
        assert_eq!("a".repeat(MAX_BYTES + 1).parse::<Scope>(), Err(ScopeError::TooLong));
        let many = (0..=MAX_TOKENS).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(many.parse::<Scope>(), Err(ScopeError::TooLong));
    }
}
