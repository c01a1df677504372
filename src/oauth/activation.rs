//! The moment in which a staged key begins to sign, which comes by time alone: the audit trail has it, once, and the log says
//! which verifiers have not fetched the key.

use chrono::{DateTime, Utc};

use serde_json::json;

use super::audit::Deed;
use super::key_set_fetches::REMEMBERED;
use super::{Origin, Provider};
use crate::keys::State;
use crate::store::{Connection, Error, Exclusive, audit_events, key_set_fetches, signing_keys};

/// Verifiers that are named in one line.
const NAMED: usize = 10;

impl Provider {
    /// Records each key that has begun to sign. Every instance calls this; one records a key, and none does so twice.
    /// Answers the kids that this one has recorded.
    pub async fn note_activations(&self) -> Result<Vec<String>, Error> {
        let now = self.clock.now();
        if signing_keys::unnoted(&mut self.store.reading().await?, now).await?.is_empty() {
            return Ok(Vec::new());
        }
        let noted = async |connection: &mut Connection| -> Result<Vec<String>, Error> {
            let mut kids = Vec::new();
            for key in signing_keys::unnoted(connection, now).await? {
                if signing_keys::note_activation(connection, &key.kid, now).await? {
                    let target = format!("signing_key:{}", key.kid);
                    let deed = Deed { actor: "signet".to_owned(), action: "key.activate", target };
                    let details = json!({ "alg": key.algorithm.0, "active_at": key.active_at });
                    audit_events::insert(connection, &self.event(now, deed, details, &Origin::default())).await?;
                    kids.push(key.kid);
                }
            }
            Ok(kids)
        };
        self.store.exclusively(Exclusive::Activation, noted).await
    }

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
