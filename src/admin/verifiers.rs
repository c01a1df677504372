//! Who verifies tokens, as far as the issuer sees it: everybody who fetched the key set lately, and which keys they know.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, Error};
use crate::oauth::key_set_fetches::REMEMBERED;
use crate::store::key_set_fetches::{self, KeySetFetch};

/// Verifiers that are named in one sentence.
const NAMED: usize = 10;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerifierView {
    /// An audience, or the name and address of a piece of software.
    pub verifier: String,
    /// `credentials` (a resource server that authenticated), `hint` (one that said which it is), or `agent`.
    pub identified_by: String,
    pub last_fetched_at: DateTime<Utc>,
    /// When the newest key that it knows was made.
    pub newest_key_at: DateTime<Utc>,
}

impl From<&KeySetFetch> for VerifierView {
    fn from(fetch: &KeySetFetch) -> Self {
        let (kind, name) = fetch.verifier.split_once(':').unwrap_or_default();
        let identified_by = match kind {
            "resource_server" => "credentials",
            "hint" => "hint",
            _ => "agent",
        };
        Self {
            verifier: name.to_owned(),
            identified_by: identified_by.to_owned(),
            last_fetched_at: fetch.last_fetched_at,
            newest_key_at: fetch.newest_key_at,
        }
    }
}

impl Admin {
    /// Every verifier that fetched the key set in the last 30 days.
    pub async fn verifiers(&self) -> Result<Vec<VerifierView>, Error> {
        Ok(self.fetches().await?.iter().map(VerifierView::from).collect())
    }

    pub(super) async fn fetches(&self) -> Result<Vec<KeySetFetch>, Error> {
        let since = self.clock.now() - REMEMBERED;
        Ok(key_set_fetches::since(&mut self.store.reading().await?, since).await?)
    }
}

/// Those that have not fetched a key set with a key that was made at `created_at`.
pub(super) fn unaware(fetches: &[KeySetFetch], created_at: DateTime<Utc>) -> Vec<VerifierView> {
    fetches.iter().filter(|fetch| !fetch.knows(created_at)).map(VerifierView::from).collect()
}

/// Names verifiers in a sentence, each with its last fetch.
pub(super) fn named(verifiers: &[VerifierView]) -> String {
    let name = |view: &VerifierView| format!("{} (last at {})", view.verifier, view.last_fetched_at.format("%FT%TZ"));
    let mut names: Vec<String> = verifiers.iter().take(NAMED).map(name).collect();
    if verifiers.len() > NAMED {
        names.push(format!("and {} more", verifiers.len() - NAMED));
    }
    names.join(", ")
}
