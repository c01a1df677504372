//! The profile of a remote administrator: which server, and by which token or client. It holds a secret, so nobody else may
//! read it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::failure::Failure;
use super::private_file;
use crate::secret::Secret;

/// What a profile file says, as TOML.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The address of the administration API, such as `https://auth.example.com:8444`.
    pub server: Option<String>,
    /// Certificates (PEM) that the server's is checked with, beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// A token that somebody else has got.
    #[serde(default, with = "crate::secret::exposed::option")]
    pub token: Option<Secret>,
    /// Where a token is asked for, such as `https://auth.example.com/oauth2/token`, and by whom.
    pub token_endpoint: Option<String>,
    pub client_id: Option<String>,
    #[serde(default, with = "crate::secret::exposed::option")]
    pub client_secret: Option<Secret>,
}

/// How a token is come by.
#[derive(Debug)]
pub enum Credentials {
    Token(Secret),
    Client { token_endpoint: String, client_id: String, client_secret: Secret },
}

impl Profile {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let unusable = |why: String| Failure::Unusable(format!("{}: {why}", path.display()));
        let text = private_file::read(path)?;
        // The message of the parser would quote the line, which may be that of the secret.
        let mut profile: Self = toml::from_str(text.expose()).map_err(|error| {
            let line = error.span().map_or(0, |span| text.expose()[..span.start].matches('\n').count() + 1);
            unusable(format!("line {line}: {}", error.message()))
        })?;
        if let (Some(file), Some(folder)) = (&profile.ca_file, path.parent()) {
            profile.ca_file = Some(folder.join(file));
        }
        Ok(profile)
    }

    pub fn credentials(self) -> Result<Credentials, Failure> {
        match self {
            Self { token: Some(token), token_endpoint: None, client_id: None, client_secret: None, .. } => {
                Ok(Credentials::Token(token))
            }
            Self {
                token: None,
                token_endpoint: Some(token_endpoint),
                client_id: Some(client_id),
                client_secret: Some(client_secret),
                ..
            } => Ok(Credentials::Client { token_endpoint, client_id, client_secret }),
            _ => Err(Failure::Usage(
                "the profile must have either `token`, or `token_endpoint`, `client_id` and `client_secret`, as `signet \
                 admin bootstrap` writes them"
                    .to_owned(),
            )),
        }
    }
}

/// The profile of a client, as TOML.
pub fn text(
    server: Option<&str>,
    ca_file: Option<&Path>,
    token_endpoint: &str,
    (client_id, client_secret): (&str, &Secret),
) -> Result<Secret, Failure> {
    let ca_file = ca_file.map(|file| file.display().to_string());
    let members = [
        ("server", server),
        ("ca_file", ca_file.as_deref()),
        ("token_endpoint", Some(token_endpoint)),
        ("client_id", Some(client_id)),
        ("client_secret", Some(client_secret.expose())),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let text = toml::to_string(&members.collect::<toml::Table>());
    text.map(Secret::new).map_err(|error| Failure::Unusable(error.to_string()))
}
