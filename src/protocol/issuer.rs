//! The issuer identifier (RFC 8414 §2) and the addresses that are made from it.
//!
//! It comes from the configuration and from nowhere else: never from `Host` or a forwarding header.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Position, Url};

/// An `https` URL without query, fragment, user information or trailing slash; `http` where its host is loopback.
///
/// Verifiers compare it character by character (RFC 9068 §4), so there is one spelling: the URL standard's, with the
/// host in lower case and the scheme's own port left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    path_at: usize,
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Why a text is not an issuer; each reads as "*the text* …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssuerError {
    #[error("has a fragment")]
    Fragment,
    #[error("uses http for a host that is not loopback")]
    HttpNotLoopback,
    #[error("is not an absolute http or https URL")]
    NotUrl,
    #[error("has a path that must be percent-encoded")]
    PercentEncoded,
    #[error("has a query")]
    Query,
    #[error("holds a user name or password")]
    Userinfo,
}

impl Issuer {
    /// The `iss` of every token and the `issuer` of the metadata.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path below which all endpoints lie: empty, or beginning with a slash and not ending in one.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.text[..self.path_at]
    }

    /// The host as it stands in the URL; of an IPv6 address with its brackets.
    pub fn host(&self) -> &str {
        let (_, host) = self.origin().split_once("://").unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => name,
            _ => host,
        }
    }

    /// The address of the endpoint at `path`, which begins with a slash: the issuer's own path is kept before it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The address of a well-known document, such as `oauth-authorization-server`, by the rule of RFC 8414 §3.1: the
    /// well-known part comes between the host and the issuer's path. (OpenID Connect Discovery appends instead: that
    /// is [`url`](Self::url).)
    pub fn well_known(&self, suffix: &str) -> String {
        let (origin, path) = self.text.split_at(self.path_at);
        format!("{origin}/.well-known/{suffix}{path}")
    }

    /// Whether the scheme is `https`. Otherwise the host is loopback.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl FromStr for Issuer {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, IssuerError> {
        // The URL standard forgives these (it drops line breaks and turns a backslash round); a name that is compared
        // character by character had better not hold them.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') || !text.contains("://") {
            return Err(IssuerError::NotUrl);
        }
        let url = Url::parse(text).map_err(|_| IssuerError::NotUrl)?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(IssuerError::NotUrl),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(IssuerError::Userinfo);
        }
        if url.query().is_some() {
            return Err(IssuerError::Query);
        }
        if url.fragment().is_some() {
            return Err(IssuerError::Fragment);
        }
        // It would have two spellings, and clients that decode it would ask in vain.
        if url.path().contains('%') {
            return Err(IssuerError::PercentEncoded);
        }
        if scheme == Scheme::Http && !is_loopback(&url) {
            return Err(IssuerError::HttpNotLoopback);
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { path_at: url[..Position::BeforePath].len(), text, scheme })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(text: &str) -> Issuer {
        text.parse().unwrap()
    }

    #[test]
    fn an_issuer_has_one_spelling() {
        assert_eq!(issuer("https://Auth.Example.com:443/").as_str(), "https://auth.example.com");
        assert_eq!(issuer("https://auth.example.com/tenant//").as_str(), "https://auth.example.com/tenant");
        assert_eq!(issuer("https://auth.example.com:8443").as_str(), "https://auth.example.com:8443");
    }

    #[test]
    fn endpoints_lie_below_the_issuers_path() {
        assert_eq!(issuer("https://a.example").url("/oauth2/token"), "https://a.example/oauth2/token");
        assert_eq!(issuer("https://a.example/t/").url("/oauth2/token"), "https://a.example/t/oauth2/token");
        assert_eq!(issuer("https://a.example").path(), "");
        assert_eq!(issuer("https://a.example:1/t/u").path(), "/t/u");
    }

    #[test]
    fn the_well_known_part_comes_between_host_and_path() {
        let suffix = "oauth-authorization-server";
        assert_eq!(issuer("https://a.example").well_known(suffix), format!("https://a.example/.well-known/{suffix}"));
        assert_eq!(
            issuer("https://a.example:8443/issuer1").well_known(suffix),
            format!("https://a.example:8443/.well-known/{suffix}/issuer1")
        );
    }

    #[test]
    fn http_is_for_loopback_only() {
        for text in ["http://localhost:8443", "http://127.0.0.1", "http://127.8.9.1:80", "http://[::1]:8443/t"] {
            assert!(!issuer(text).is_https(), "{text}");
        }
        for text in ["http://auth.example.com", "http://localhost.example", "http://10.0.0.1", "http://[::2]"] {
            assert_eq!(text.parse::<Issuer>(), Err(IssuerError::HttpNotLoopback), "{text}");
        }
        assert!(issuer("https://localhost").is_https());
    }

    #[test]
    fn what_an_issuer_must_not_hold_is_named() {
        for (text, error) in [
            ("https://a.example/?x=1", IssuerError::Query),
            ("https://a.example?", IssuerError::Query),
            ("https://a.example/#", IssuerError::Fragment),
            ("https://user@a.example", IssuerError::Userinfo),
            ("https://:pass@a.example", IssuerError::Userinfo),
            ("https://a.example/t%C3%A9nant", IssuerError::PercentEncoded),
            ("https://a.example/té", IssuerError::PercentEncoded),
            ("https://a.example/{x}", IssuerError::PercentEncoded),
            ("ftp://a.example", IssuerError::NotUrl),
            ("auth.example.com", IssuerError::NotUrl),
            ("https:a.example", IssuerError::NotUrl),
            ("https://", IssuerError::NotUrl),
            ("https://a.example\\t", IssuerError::NotUrl),
            ("https://a.exa\nmple", IssuerError::NotUrl),
            (" https://a.example", IssuerError::NotUrl),
        ] {
            assert_eq!(text.parse::<Issuer>(), Err(error), "{text:?}");
        }
    }
}
