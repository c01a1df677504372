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
    pub(super) fn without_secrets(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => plain_address(url.expose()).unwrap_or_else(|| "postgres://(hidden)".to_owned()),
        }
    }
}

fn plain_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    if text.matches('@').count() > 1 || url.path().contains('@') || url.fragment().is_some() {
        return None;
    }
    if url.query().is_some_and(|query| query.contains('@')) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path()))
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
    fn nothing_is_shown_of_a_url_whose_password_may_reach_over_its_host() {
        for text in [
            "postgres://u:one@sekret@db/t",
            "postgres://u:5/sekret@db/t",
            "postgres://u:5?sekret@db/t",
            "postgres://u:5#sekret@db/t",
            "postgres://db/t?password=p@sekret",
            "postgres://a:sekret,b:2/t",
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().without_secrets(), "postgres://(hidden)", "{text}");
        }
    }
}
