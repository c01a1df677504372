//! What is wrong with a configuration. One line a fault, all of them at once; a secret's value is in none.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// One mistake: which setting (and where it was given), what is wrong, what is expected.
#[derive(Debug, Error)]
pub enum Fault {
    /// Settings that are valid one by one and cannot be together.
    #[error("{variable}: {reason}")]
    Contradiction { variable: &'static str, reason: &'static str },
    #[error("{place}: is empty; expected {expected}, or leave it out")]
    Empty { place: String, expected: String },
    /// `value` is quoted, or says why it is not shown.
    #[error("{place}: {value} {reason}; expected {expected}")]
    Invalid { place: String, value: String, reason: String, expected: String },
    /// What a command cannot do without.
    #[error("{variable}: is missing; expected {expected}")]
    Missing { variable: &'static str, expected: &'static str },
    #[error("{place}: is not UTF-8; expected {expected}")]
    NotUnicode { place: String, expected: String },
    #[error("{file}, line {line}: is not TOML: {message}; expected lines such as `listen = \"127.0.0.1:8443\"`")]
    Syntax { file: String, line: usize, message: String },
    #[error("{place}: is given together with {other}; expected only one of them")]
    Twice { place: String, other: String },
    #[error("{place}: there is no such setting{}", did_you_mean(.suggestion.as_deref()))]
    Unknown { place: String, suggestion: Option<String> },
    #[error("{place}: cannot read {}: {error}; expected a readable file of text", .path.display())]
    Unreadable { place: String, path: PathBuf, error: io::Error },
    #[error("{place}: is {found}; expected {expected}")]
    WrongType { place: String, found: &'static str, expected: String },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// Every fault that was found: at least one.
#[derive(Debug)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `value` if there are no faults; it is absent only where there are some.
    pub(super) fn none_or<T>(faults: Vec<Fault>, value: Option<T>) -> Result<T, Self> {
        debug_assert!(value.is_some() || !faults.is_empty(), "what is absent was reported");
        value.filter(|_| faults.is_empty()).ok_or(Self(faults))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        Ok(())
    }
}
