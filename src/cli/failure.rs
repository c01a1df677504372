//! Why a command was not carried out, what to do about it, and the exit status that says so to a script.

use std::io;
use std::process::ExitCode;

use serde_json::json;

use crate::{admin, config, store};

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Admin(#[from] admin::Error),
    #[error(transparent)]
    Config(#[from] config::Faults),
    /// The server did not do it.
    #[error("{description}")]
    Remote { code: String, description: String, misuse: bool },
    /// The command makes no sense as it was given.
    #[error("{0}")]
    Usage(String),
    /// The surroundings are not as they must be. The text says what to do.
    #[error("{0}")]
    Unusable(String),
    #[error("the answer could not be printed: {0}")]
    Output(#[from] io::Error),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Admin(error.into())
    }
}

impl Failure {
    /// Tells people on standard error and, with `--json`, scripts on standard output.
    pub fn print(&self, json: bool) -> ExitCode {
        let mut description = self.to_string();
        if let Some(advice) = self.advice() {
            description = format!("{description}: {advice}");
        }
        if json && !matches!(self, Self::Output(_)) {
            let document = json!({ "error": self.code(), "error_description": description });
            // The exit status and standard error still tell, if this cannot be printed.
            let _ = super::output::line(io::stdout(), &format!("{document:#}"));
        }
        let _ = super::output::line(io::stderr(), &format!("signet: {description}"));
        ExitCode::from(if self.is_misuse() { 2 } else { 1 })
    }

    fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::Admin(admin::Error::Invalid { .. })
                | Self::Config(_)
                | Self::Usage(_)
                | Self::Remote { misuse: true, .. }
        )
    }

    fn code(&self) -> &str {
        match self {
            Self::Admin(error) => match error {
                admin::Error::NotFound { .. } => "not_found",
                admin::Error::Exists { .. } => "exists",
                admin::Error::Refused(_) => "refused",
                admin::Error::Invalid { .. } => "invalid",
                admin::Error::Password(_) => "password",
                admin::Error::Store(_) => "database",
                admin::Error::Keys(_) => "keys",
                admin::Error::Changed => "changed",
                admin::Error::Repeated => "repeated",
                admin::Error::Busy => "busy",
                admin::Error::Hashing(_) => "internal",
            },
            Self::Remote { code, .. } => code,
            Self::Config(_) => "configuration",
            Self::Usage(_) => "usage",
            Self::Unusable(_) => "unusable",
            Self::Output(_) => "output",
        }
    }

    /// What to do, where the message does not say it itself.
    fn advice(&self) -> Option<String> {
        let Self::Admin(error) = self else { return None };
        match error {
            admin::Error::NotFound { kind, .. } => {
                Some(format!("`signet {} list` shows what there is", kind.replace(' ', "-")))
            }
            admin::Error::Exists { kind, .. } => Some(format!(
                "choose another name, or see `signet {} --help` for how to change it",
                kind.replace(' ', "-")
            )),
            admin::Error::Store(store::Error::Unavailable(_)) => {
                Some("see that SIGNET_DATABASE_URL is right and the database runs, and try again".to_owned())
            }
            admin::Error::Keys(_) => Some("see that the master key file is the one of this database".to_owned()),
            admin::Error::Busy => Some("try again in a moment".to_owned()),
            _ => None,
        }
    }
}
