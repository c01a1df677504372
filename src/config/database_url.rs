//! Which database is meant. Whether a `postgres://` URL is complete, and which options it may hold, `store` says when it
//! connects.

use std::path::PathBuf;

use thiserror::Error;
use url::Url;

use crate::secret::Secret;

/// The address of the database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The whole URL, which may hold a password.
    Postgres(Secret),
    /// The path of the file; its folder must exist when it is opened.
    Sqlite(PathBuf),
}

/// Each reads as "*the value* …" and holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum DatabaseUrlError {
    #[error("ends after its scheme")]
    Bare,
    #[error("holds white space or control characters")]
    Blank,
    #[error("names a database in memory, which every connection would have for itself")]
    Memory,
    #[error("holds a `?`: SQLite takes no options here")]
    Options,
    #[error("begins with neither `postgres://`, `postgresql://` nor `sqlite:`")]
    Scheme,
}

impl DatabaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            // `sqlite:///var/x.db` and `sqlite://x.db` are spellings that other programs take.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(DatabaseUrlError::Bare),
                path if path.contains(":memory:") => Err(DatabaseUrlError::Memory),
                path if path.contains('?') => Err(DatabaseUrlError::Options),
                path if path.chars().any(char::is_control) => Err(DatabaseUrlError::Blank),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            None => Err(DatabaseUrlError::Scheme),
            Some("") => Err(DatabaseUrlError::Bare),
            Some(rest) if rest.chars().any(|c| c.is_whitespace() || c.is_control()) => Err(DatabaseUrlError::Blank),
            Some(_) => Ok(Self::Postgres(Secret::new(text))),
        }
    }

    /// The host and the database's name, where it is certain that they are no part of a password.
    ///
    /// A password with an unescaped `@`, `/`, `?` or `#` reaches over what looks like the host, path or options, and
    /// programs differ in how they split such a URL: then nothing of it is shown.
    pub fn without_secrets(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => plain_address(url.expose()).unwrap_or_else(|| "postgres://(hidden)".to_owned()),
        }
    }
}

fn plain_address(text: &str) -> Option<String> {
    let Ok(url) = Url::parse(text) else { return several_hosts(text) };
    if text.matches('@').count() > 1 || url.path().contains('@') || url.fragment().is_some() {
        return None;
    }
    if url.query().is_some_and(|query| query.contains('@')) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path()))
}

/// The same of a URL with several hosts, which is none to the standard.
fn several_hosts(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let address = rest.split_once('?').map_or(rest, |(address, _)| address);
    if text.matches('@').count() > 1 || text.contains('#') || text.contains("?@") {
        return None;
    }
    let (authority, database) = address.split_once('/').unwrap_or((address, ""));
    // What is behind the only `@` is no password; without one there is none.
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let after = rest.strip_prefix(authority)?;
    if after.contains('@') || !hosts.split(',').all(is_host) {
        return None;
    }
    Some(format!("postgres://{hosts}/{database}"))
}

/// `name`, `name:5432`, `192.0.2.1:5432`, `[2001:db8::1]:5432` or an escaped path.
fn is_host(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'%');
    !name.is_empty() && name.bytes().all(is_name) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_url_is_a_path() {
        for (text, path) in [
            ("sqlite:data/signet.db", "data/signet.db"),
            ("sqlite:/var/lib/signet.db", "/var/lib/signet.db"),
            ("sqlite:///var/lib/signet.db", "/var/lib/signet.db"),
            ("sqlite://signet.db", "signet.db"),
        ] {
            let Ok(DatabaseUrl::Sqlite(parsed)) = DatabaseUrl::parse(text) else { panic!("{text}") };
            assert_eq!(parsed, PathBuf::from(path), "{text}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused_by_name() {
        for (text, error) in [
            ("sqlite:", DatabaseUrlError::Bare),
            ("sqlite://", DatabaseUrlError::Bare),
            ("sqlite::memory:", DatabaseUrlError::Memory),
            ("sqlite:x.db?mode=rwc", DatabaseUrlError::Options),
            ("sqlite:x\0.db", DatabaseUrlError::Blank),
            ("postgres://", DatabaseUrlError::Bare),
            ("postgres://host/two words", DatabaseUrlError::Blank),
            ("mysql://host/db", DatabaseUrlError::Scheme),
            ("host=db user=signet", DatabaseUrlError::Scheme),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn a_postgres_url_is_kept_whole_and_shown_without_credentials() {
        let text = "postgresql://signet:pa%40ss@db.internal:5433/tokens?sslmode=require&password=other";
        let url = DatabaseUrl::parse(text).unwrap();
        let DatabaseUrl::Postgres(secret) = &url else { panic!("not PostgreSQL") };
        assert_eq!(secret.expose(), text);
        assert_eq!(url.without_secrets(), "postgres://db.internal:5433/tokens");
        assert!(!format!("{url:?}").contains("ss@"));
    }

    #[test]
    fn of_several_hosts_each_is_shown_and_no_credentials() {
        for (text, shown) in [
            ("postgres://u:sekret@one:5432,two:5433/t?x=1", "postgres://one:5432,two:5433/t"),
            ("postgresql://u@one,two.example/t", "postgres://one,two.example/t"),
            ("postgres://one:1,two:2", "postgres://one:1,two:2/"),
            ("postgres://u:se,kret@[2001:db8::1]:5432,[::1]/t", "postgres://[2001:db8::1]:5432,[::1]/t"),
            ("postgres://u@%2Frun%2Fa:1,%2Frun%2Fb:2/t", "postgres://%2Frun%2Fa:1,%2Frun%2Fb:2/t"),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().without_secrets(), shown, "{text}");
        }
    }

    #[test]
    fn nothing_is_shown_of_a_url_whose_password_may_reach_over_its_host() {
        for text in [
            "postgres://u:one@sekret@db/t",
            "postgres://u:5/sekret@db/t",
            "postgres://u:5?sekret@db/t",
            "postgres://u:5#sekret@db/t",
            "postgres://db/t?password=p@sekret",
            "postgres://a:sekret,b:2/t",
            "postgres://u:5,sekret/more@a:1,b:2/t",
            "postgres://u:se#kret@a:1,b:2/t",
            "postgres://u:5?sekret@a:1,b:2/t",
            "postgres://u:one@sekret@a:1,b:2/t",
            "postgres://a:1,b:2/t?password=p@sekret",
            "postgres://a:1,b:2se$kret/t",
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().without_secrets(), "postgres://(hidden)", "{text}");
        }
    }
}
