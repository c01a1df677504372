//! The configuration: read once, at the start, from the environment and an optional TOML file, and handed on as a
//! [`Config`]. Nothing else reads the environment.
//!
//! Judges what can be judged without touching the world; whether a certificate parses or a database answers is said by
//! those who use it. Lifetimes and the like are not here: an administrator changes them at run time, in the database.

mod certificate;
mod database_url;
mod fault;
mod names;
mod otel;
mod rate;
mod reference;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::ffi::OsString;
use std::path::Path;

pub use certificate::{AcmeChallenge, Tls};
pub use database_url::DatabaseUrl;
pub use fault::{Fault, Faults};
pub use otel::Otlp;
pub use rate::Rate;
pub use settings::Config;
pub use source::Origin;
pub use value::{Count, LogFilter, LogFormat, Networks, OptionalListen};

use crate::protocol::issuer::Issuer;
use crate::secret::Secret;
use settings::Draft;
use source::Sources;

/// One setting as `signet doctor` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub variable: String,
    /// As understood; of a secret only what is not secret.
    pub value: String,
    pub origin: Origin,
}

/// What [`Config::check_for_serve`] has found to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving<'a> {
    pub issuer: &'a Issuer,
    /// `None` if TLS is off.
    pub tls: Option<CertificateSource<'a>>,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource<'a> {
    Files(TlsFiles<'a>),
    /// It is ordered, for these domains.
    Ordered {
        domains: Vec<String>,
    },
}

/// Where the master key comes from.
#[derive(Clone, Copy, Debug)]
pub enum MasterKeySource<'a> {
    /// A file, which is made where it is missing and may be.
    File(&'a Path),
    /// What systemd gives the unit to read.
    Credential(&'a Path),
    /// `SIGNET_MASTER_KEY`.
    Text(&'a Secret),
}

impl std::fmt::Display for MasterKeySource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Credential(path) => write!(f, "the credential {}", path.display()),
            Self::Text(_) => f.write_str("SIGNET_MASTER_KEY"),
        }
    }
}

/// The two files that serving TLS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFiles<'a> {
    pub cert: &'a Path,
    pub key: &'a Path,
}

impl Config {
    /// Reads the process environment and the file: `file`, else the one that `SIGNET_CONFIG` names, else none.
    ///
    /// The only place that reads the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, Faults> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let variables = std::env::vars_os();
        Self::from_process(variables, file)
    }

    fn from_process(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        file: Option<&Path>,
    ) -> Result<Self, Faults> {
        let mut sources = Sources::default();
        for (name, value) in variables {
            sources.add_variable(&name.to_string_lossy(), value.into_string());
        }
        match (file, sources.config.take()) {
            (Some(path), _) => sources.read_file(path, "--config"),
            (None, Some(path)) => sources.read_file(&path, names::CONFIG),
            (None, None) => {}
        }
        Self::from_gathered(sources)
    }

    /// The same from given variables and the file's path and text: for tests, and for commands that override some.
    /// `SIGNET_CONFIG` among the variables has no effect.
    pub fn from_sources(
        variables: impl IntoIterator<Item = (String, String)>,
        file: Option<(&Path, &str)>,
    ) -> Result<Self, Faults> {
        let mut sources = Sources::default();
        for (name, value) in variables {
            sources.add_variable(&name, Ok(value));
        }
        if let Some((path, text)) = file {
            sources.add_file(path, text);
        }
        Self::from_gathered(sources)
    }

    fn from_gathered(mut sources: Sources) -> Result<Self, Faults> {
        sources.add_credential();
        let draft = Draft::read(&mut sources);
        let mut faults = sources.faults;
        faults.extend(contradictions(&draft));
        if sources.origins.get("master_key_file").is_some_and(|origin| *origin != Origin::Default)
            && matches!(draft.master_key, Some(Some(_)))
        {
            let reason = "is given while SIGNET_MASTER_KEY_FILE is; expected one or the other";
            faults.push(Fault::Contradiction { variable: "SIGNET_MASTER_KEY", reason });
        }
        Faults::none_or(faults, draft.finish(sources.origins))
    }

    fn domains_to_order(&self) -> Vec<String> {
        match self.acme_domains.as_slice() {
            [] => self.issuer.as_ref().and_then(|issuer| certificate::domain_name(issuer.host())).into_iter().collect(),
            domains => domains.to_vec(),
        }
    }

    pub fn master_key_source(&self) -> MasterKeySource<'_> {
        match &self.master_key {
            Some(text) => MasterKeySource::Text(text.secret()),
            None if self.origin("master_key_file") == Origin::Credential => {
                MasterKeySource::Credential(&self.master_key_file)
            }
            None => MasterKeySource::File(&self.master_key_file),
        }
    }

    /// What serving needs beyond what single settings can say.
    pub fn check_for_serve(&self) -> Result<Serving<'_>, Faults> {
        let mut faults = Vec::new();
        let expected = "the URL of this server, such as `https://auth.example.com`";
        if self.issuer.is_none() {
            faults.push(Fault::Missing { variable: "SIGNET_ISSUER", expected });
        }
        if self.tls != Tls::Off && self.issuer.as_ref().is_some_and(|issuer| !issuer.is_https()) {
            let reason = "is an http URL while TLS is served; expected https, or SIGNET_TLS=off";
            faults.push(Fault::Contradiction { variable: "SIGNET_ISSUER", reason });
        }
        if self.tls == Tls::On {
            let expected = "the path of a PEM file, or SIGNET_TLS=off if a proxy in front ends TLS";
            if self.tls_cert_file.is_none() {
                faults.push(Fault::Missing { variable: "SIGNET_TLS_CERT_FILE", expected });
            }
            if self.tls_key_file.is_none() {
                faults.push(Fault::Missing { variable: "SIGNET_TLS_KEY_FILE", expected });
            }
        }
        if self.redirect_listen.0.is_some() && self.issuer.as_ref().is_some_and(|issuer| !issuer.is_https()) {
            let reason =
                "is given while SIGNET_ISSUER is an http URL; expected https: it is there that requests are sent to";
            faults.push(Fault::Contradiction { variable: "SIGNET_REDIRECT_LISTEN", reason });
        }
        let tls = match self.tls {
            Tls::Off => None,
            Tls::On => {
                let files = self.tls_cert_file.as_deref().zip(self.tls_key_file.as_deref());
                files.map(|(cert, key)| CertificateSource::Files(TlsFiles { cert, key }))
            }
            Tls::Acme => {
                let domains = self.domains_to_order();
                if domains.is_empty() {
                    let expected = "a domain name, because the host of SIGNET_ISSUER is none";
                    faults.push(Fault::Missing { variable: "SIGNET_ACME_DOMAINS", expected });
                }
                if self.acme_challenge == AcmeChallenge::Http01 && self.redirect_listen.0.is_none() {
                    let expected = "an address such as `0.0.0.0:80`, because SIGNET_ACME_CHALLENGE is http-01";
                    faults.push(Fault::Missing { variable: "SIGNET_REDIRECT_LISTEN", expected });
                }
                if self.acme_eab_key_id.is_some() != self.acme_eab_hmac_key.is_some() {
                    let reason = "is given without its other half; expected SIGNET_ACME_EAB_KEY_ID and SIGNET_ACME_EAB_HMAC_KEY, or neither";
                    faults.push(Fault::Contradiction { variable: "SIGNET_ACME_EAB_KEY_ID", reason });
                }
                Some(CertificateSource::Ordered { domains })
            }
        };
        Faults::none_or(faults, self.issuer.as_ref().map(|issuer| Serving { issuer, tls }))
    }
}

/// What is wrong whatever the command: settings that deny each other. A setting that could not be read denies nothing.
fn contradictions(draft: &Draft) -> Vec<Fault> {
    let (Some(tls), Some(cert), Some(key)) = (draft.tls, &draft.tls_cert_file, &draft.tls_key_file) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut add = |variable, reason| faults.push(Fault::Contradiction { variable, reason });
    if tls != Tls::On {
        let reason = "is given while SIGNET_TLS is off or acme; expected SIGNET_TLS=on, or no file";
        cert.is_some().then(|| add("SIGNET_TLS_CERT_FILE", reason));
        key.is_some().then(|| add("SIGNET_TLS_KEY_FILE", reason));
    } else if cert.is_some() && key.is_none() {
        add("SIGNET_TLS_CERT_FILE", "is given without SIGNET_TLS_KEY_FILE; expected both");
    } else if key.is_some() && cert.is_none() {
        add("SIGNET_TLS_KEY_FILE", "is given without SIGNET_TLS_CERT_FILE; expected both");
    }
    faults
}
