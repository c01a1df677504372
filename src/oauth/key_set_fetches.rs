//! Who fetches the key set, so that a rotation can be checked before it takes effect. Noted in memory, in bounded room,
//! by a request that must not wait for anything; verified and written later, in one batch. Nothing is decided by it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::Provider;
use super::client_authentication::PresentedCredentials;
use crate::store::key_set_fetches::{self, AGENT, KeySetFetch};
use crate::store::{Connection, Error};

/// Verifiers that are noted between two flushes; further ones are only counted.
const CAPACITY: usize = 1000;

/// What is kept of a name that a stranger chose, in bytes.
const LONGEST_AGENT: usize = 120;

/// How long a verifier is remembered that fetches no more.
pub const REMEMBERED: Duration = Duration::days(30);

/// Agents that are remembered: anyone can invent one.
const MOST_AGENTS: i64 = 10_000;

/// What a request says about who fetches, none of it checked.
#[derive(Debug, Default)]
pub struct PresentedVerifier {
    /// Those of a resource server, by Basic.
    pub credentials: Option<PresentedCredentials>,
    /// The audience of the resource server that it says it is.
    pub hint: Option<String>,
    pub agent: Option<String>,
    pub address: Option<IpAddr>,
}

/// The fetches since the last flush.
#[derive(Default)]
pub struct KeySetFetches {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    verifiers: HashMap<String, Fetch>,
    overflowed: u64,
}

struct Fetch {
    presented: PresentedVerifier,
    at: DateTime<Utc>,
    newest_key_at: DateTime<Utc>,
}

impl KeySetFetches {
    /// Notes a fetch of a key set whose newest key was made at `newest_key_at`.
    pub fn note(&self, presented: PresentedVerifier, at: DateTime<Utc>, newest_key_at: DateTime<Utc>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.keep(presented.identity(), Fetch { presented, at, newest_key_at });
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps for the next flush what could not be written now.
    fn put_back(&self, former: Seen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.overflowed += former.overflowed;
        for (identity, fetch) in former.verifiers {
            if !seen.verifiers.contains_key(&identity) {
                seen.keep(identity, fetch);
            }
        }
    }
}

impl Seen {
    fn keep(&mut self, identity: String, fetch: Fetch) {
        if self.verifiers.len() < CAPACITY || self.verifiers.contains_key(&identity) {
            self.verifiers.insert(identity, fetch);
        } else {
            self.overflowed += 1;
        }
    }
}

impl PresentedVerifier {
    /// Tells apart what is noted. With credentials also by where they come from: wrong ones must not hide right ones.
    fn identity(&self) -> String {
        let claimed = self.credentials.as_ref().map(|credentials| &credentials.identifier).or(self.hint.as_ref());
        let kind = if self.credentials.is_some() { "credentials" } else { "hint" };
        claimed.map_or_else(|| self.agent(), |claimed| format!("{kind}:{claimed} {}", self.agent()))
    }

    /// Who it is where nothing else tells: what software, from where.
    fn agent(&self) -> String {
        let name: String = self.agent.iter().flat_map(|agent| agent.chars()).filter(char::is_ascii_graphic).collect();
        let name = if name.is_empty() { "unnamed" } else { &name[..name.len().min(LONGEST_AGENT)] };
        let address = self.address.map_or_else(|| "nowhere".to_owned(), |address| address.to_canonical().to_string());
        format!("{AGENT}{name} {address}")
    }
}

impl Provider {
    /// Writes what was noted since the last time. On an error it is kept for the next.
    pub async fn record_key_set_fetches(&self) -> Result<(), Error> {
        let seen = self.key_set_fetches.take();
        if seen.overflowed > 0 {
            tracing::warn!(
                fetches = seen.overflowed,
                "more verifiers than can be remembered fetched the key set: some are missing in `signet key verifiers`"
            );
        }
        if seen.verifiers.is_empty() {
            return Ok(());
        }
        let written = self.write(&seen).await;
        if written.is_err() {
            self.key_set_fetches.put_back(Seen { overflowed: 0, ..seen });
        }
        written
    }

    async fn write(&self, seen: &Seen) -> Result<(), Error> {
        let mut rows: HashMap<String, KeySetFetch> = HashMap::new();
        for Fetch { presented, at, newest_key_at } in seen.verifiers.values() {
            let verifier = self.verifier(presented).await?;
            let row = KeySetFetch { verifier, last_fetched_at: *at, newest_key_at: *newest_key_at };
            let later = |known: &KeySetFetch| known.last_fetched_at >= row.last_fetched_at;
            if !rows.get(&row.verifier).is_some_and(later) {
                rows.insert(row.verifier.clone(), row);
            }
        }
        // In one order everywhere, so that two instances do not wait for each other in turn.
        let mut rows: Vec<KeySetFetch> = rows.into_values().collect();
        rows.sort_by(|a, b| a.verifier.cmp(&b.verifier));
        let before = self.clock.now() - REMEMBERED;
        let written = async |connection: &mut Connection| -> Result<(), Error> {
            key_set_fetches::record(connection, &rows).await?;
            key_set_fetches::purge(connection, before, MOST_AGENTS).await
        };
        self.store.transaction(written).await
    }

    /// The name under which a verifier is remembered. A resource server has its own only if it has proved it, or else a
    /// lesser one, if it exists.
    async fn verifier(&self, presented: &PresentedVerifier) -> Result<String, Error> {
        if let Some(credentials) = &presented.credentials
            && let Some(server) = self.directory.resource_server(&credentials.identifier).await?
            && server.disabled_at.is_none()
            && server.has_secret(credentials, self.clock.now())
        {
            return Ok(format!("resource_server:{}", server.audience));
        }
        if let Some(hint) = &presented.hint
            && self.directory.resource_server(hint).await?.is_some()
        {
            return Ok(format!("hint:{hint}"));
        }
        Ok(presented.agent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn agent(name: &str) -> PresentedVerifier {
        PresentedVerifier { agent: Some(name.to_owned()), ..PresentedVerifier::default() }
    }

    fn noted(fetches: &KeySetFetches) -> Vec<(String, i64)> {
        let seen = fetches.take();
        let mut noted: Vec<_> =
            seen.verifiers.iter().map(|(name, fetch)| (name.clone(), fetch.at.timestamp())).collect();
        noted.sort();
        noted
    }

    #[test]
    fn a_verifier_is_noted_once_with_its_last_fetch() {
        let fetches = KeySetFetches::default();
        for second in [1, 2, 3] {
            fetches.note(agent("a"), at(second), at(0));
        }
        fetches.note(agent("b"), at(1), at(0));
        assert_eq!(noted(&fetches), [("agent:a nowhere".to_owned(), 3), ("agent:b nowhere".to_owned(), 1)]);
        assert_eq!(noted(&fetches), []);
    }

    #[test]
    fn strangers_fill_only_so_much_memory_and_those_known_are_still_noted() {
        let fetches = KeySetFetches::default();
        for number in 0..CAPACITY + 5 {
            fetches.note(agent(&number.to_string()), at(1), at(0));
        }
        fetches.note(agent("0"), at(9), at(0));
        let seen = fetches.take();
        assert_eq!((seen.verifiers.len(), seen.overflowed), (CAPACITY, 5));
        assert_eq!(seen.verifiers["agent:0 nowhere"].at, at(9));
    }

    #[test]
    fn what_was_not_written_is_kept_without_hiding_what_came_since() {
        let fetches = KeySetFetches::default();
        fetches.note(agent("a"), at(1), at(0));
        fetches.note(agent("b"), at(1), at(0));
        let failed = fetches.take();
        fetches.note(agent("a"), at(2), at(0));
        fetches.put_back(failed);
        assert_eq!(noted(&fetches), [("agent:a nowhere".to_owned(), 2), ("agent:b nowhere".to_owned(), 1)]);
    }

    #[test]
    fn the_name_that_a_stranger_chose_is_short_and_printable() {
        let long = agent(&format!("curl/8\u{1b}[2J é\n{}", "x".repeat(500))).agent();
        assert!(long.starts_with("agent:curl/8[2Jxxx") && long.len() < 150, "{long}");
        let unnamed = PresentedVerifier { address: "::ffff:10.0.0.7".parse().ok(), ..agent("é") };
        assert_eq!(unnamed.agent(), "agent:unnamed 10.0.0.7");
    }
}
