//! The moment in which a staged key begins to sign: the log says which verifiers have not fetched it.

use chrono::{DateTime, Utc};

use super::Provider;
use super::key_set_fetches::REMEMBERED;
use crate::keys::State;
use crate::store::{Error, key_set_fetches};

/// Verifiers that are named in one line.
const NAMED: usize = 10;

impl Provider {
    /// Warns of keys that began to sign after `since` and until `until`, and answers their kids with how many verifiers do
    /// not know them.
    pub async fn warn_of_activations(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<(String, usize)>, Error> {
        let ring = self.keys.ring();
        let began = |at| since < at && at <= until;
        let started: Vec<_> = ring
            .keys()
            .iter()
            .filter(|key| began(key.opened().active_at) && key.state(until) == State::Signing)
            .collect();
        let mut warned = Vec::new();
        if started.is_empty() {
            return Ok(warned);
        }
        let fetches = key_set_fetches::since(&mut self.store.reading().await?, until - REMEMBERED).await?;
        for key in started {
            let unaware = fetches.iter().filter(|fetch| !fetch.knows(key.opened().created_at));
            let unaware: Vec<&str> = unaware.map(|fetch| fetch.verifier.as_str()).collect();
            if !unaware.is_empty() {
                let named = unaware.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
                tracing::warn!(
                    key.id = key.kid(),
                    verifiers = unaware.len(),
                    named,
                    "a signing key began to sign that these verifiers have not fetched: they refuse its tokens until they do"
                );
                warned.push((key.kid().to_owned(), unaware.len()));
            }
        }
        Ok(warned)
    }
}
