//! The kinds of value of settings that say where the TLS certificate comes from.

use url::Url;

use super::value::{Setting, either};
use crate::secret::Secret;

/// Whether signet speaks TLS itself, with a certificate from files or one that it orders, or leaves it to a proxy in front
/// of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    On,
    Acme,
    Off,
}

impl Setting for Tls {
    fn expected() -> String {
        "`on`, `acme` or `off`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self::On),
            "acme" => Ok(Self::Acme),
            "off" => Ok(Self::Off),
            _ => Err("is none of them".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::On => "on",
            Self::Acme => "acme",
            Self::Off => "off",
        }
        .to_owned()
    }
}

either! {
    /// How a certificate authority checks that a domain is the issuer's.
    AcmeChallenge { TlsAlpn01 = "tls-alpn-01", Http01 = "http-01" }
}

/// Domain names, separated by commas: kept sorted, in lower case, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains(Vec<String>);

impl Domains {
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl Setting for Domains {
    fn expected() -> String {
        "domain names, separated by commas, such as `auth.example.com, login.example.com`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut domains = Vec::new();
        for domain in text.split(',').map(str::trim) {
            domains.push(domain_name(domain).ok_or_else(|| {
                if domain.starts_with("*.") {
                    // RFC 8555 §7.1.3 leaves wildcards to dns-01, which would need the keys to the domain's name server.
                    format!(
                        "has the wildcard `{domain}`, which can be proven by DNS alone, and signet does not do that"
                    )
                } else {
                    "is not such a list".to_owned()
                }
            })?);
        }
        domains.sort_unstable();
        domains.dedup();
        Ok(Self(domains))
    }

    fn show(&self) -> String {
        if self.0.is_empty() { "(none)".to_owned() } else { self.0.join(", ") }
    }
}

/// A name that a public certificate can be for: of several labels, none of which is a number alone at the end.
pub(super) fn domain_name(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next()?;
    let sound = text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(text)
}

/// The URL of an ACME directory (RFC 8555 §7.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(String);

impl Directory {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Directory {
    fn expected() -> String {
        "the https URL of an ACME directory".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "is not a URL".to_owned())?;
        if url.scheme() == "https" && url.has_host() { Ok(Self(url.into())) } else { Err("is not https".to_owned()) }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// Text that is handed on as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Text {
    fn expected() -> String {
        "a line of text".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let sound = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if sound { Ok(Self(text.to_owned())) } else { Err("holds white space or control characters".to_owned()) }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// A key that is shared with somebody.
#[derive(Clone, Debug)]
pub struct SharedKey(Secret);

impl SharedKey {
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl Setting for SharedKey {
    const SECRET: bool = true;

    fn expected() -> String {
        "a key in base64url, as the certificate authority gives it".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Secret::new(text)))
    }

    fn show(&self) -> String {
        "(hidden)".to_owned()
    }
}
