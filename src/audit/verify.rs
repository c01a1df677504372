//! Checking every seal against its events, its signature and the seal before, a page at a time, in one state of the database.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::chain::{BEGINNING, hexadecimal, link};
use super::claims::{check, fingerprint};
use super::findings::{Kind, NewestSeal, Verification};
use super::{OVERDUE, SHORTEST_RETENTION, purge};
use crate::clock::Clock;
use crate::keys::ring::Ring;
use crate::keys::{Keys, KeysError};
use crate::store::audit_events::{self, AuditEvent};
use crate::store::audit_seals::{self, AuditSeal};
use crate::store::{Connection, Error, Store, settings};

/// Rows in memory at a time.
const PAGE: i64 = 1000;

/// Verifies the whole trail.
///
/// # Errors
/// When the database cannot be read, or a signing key does not open under the master key: then no signature can be trusted.
pub async fn verify(store: &Store, keys: &Keys, clock: &Clock) -> Result<Verification, KeysError> {
    keys.reload().await?;
    let ring = Arc::clone(&keys.ring());
    let now = clock.now();
    let whole = async |connection: &mut Connection| -> Result<Verification, Error> {
        let retention = settings::load(connection).await?.audit_retention;
        let mut verifier = Verifier {
            ring: &ring,
            now,
            retention,
            found: Verification::new(),
            purged: Vec::new(),
            records: HashMap::new(),
        };
        verifier.seals(connection).await?;
        verifier.waiting(connection).await?;
        verifier.purges();
        Ok(verifier.found)
    };
    Ok(store.snapshot(whole).await?)
}

struct Verifier<'a> {
    ring: &'a Ring,
    now: DateTime<Utc>,
    /// The present one, in seconds.
    retention: i64,
    found: Verification,
    /// Seals without events: number, time of the last event, time of removal.
    purged: Vec<(i64, DateTime<Utc>, DateTime<Utc>)>,
    /// What the trail itself says of removals, by the target: when, and by which retention.
    records: HashMap<String, (DateTime<Utc>, i64)>,
}

impl Verifier<'_> {
    async fn seals(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let mut previous: Option<AuditSeal> = None;
        loop {
            let after = previous.as_ref().map_or(i64::MIN, |seal| seal.number);
            let page = audit_seals::page(connection, after, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for seal in page {
                self.seal(connection, &seal, previous.as_ref()).await?;
                previous = Some(seal);
            }
        }
        let last = previous.as_ref().map_or(i64::MIN, |seal| seal.number);
        self.strays(connection, (last, i64::MAX)).await?;
        let Some(newest) = previous else { return Ok(()) };
        let known = self.ring.keys().iter().any(|key| key.kid() == newest.kid);
        if !known {
            let what = format!(
                "it is the newest, and signed by key {}, which this issuer does not have: nothing vouches for the trail",
                newest.kid
            );
            self.found.find(Kind::KeyUnknown, Some(newest.number), None, what);
        }
        let AuditSeal { number, sealed_at, kid, hash, .. } = newest;
        self.found.newest = Some(NewestSeal { number, hash: hexadecimal(&hash), sealed_at, kid });
        Ok(())
    }

    async fn seal(
        &mut self,
        connection: &mut Connection,
        seal: &AuditSeal,
        previous: Option<&AuditSeal>,
    ) -> Result<(), Error> {
        let number = seal.number;
        self.found.seals += 1;
        let expected = previous.map_or(1, |previous| previous.number.saturating_add(1));
        if number != expected {
            let what = if number == expected.saturating_add(1) {
                format!("seal {expected} is missing")
            } else {
                format!("seals {expected} to {} are missing", number - 1)
            };
            self.found.find(Kind::SealMissing, Some(expected), None, what);
        }
        if number != expected || previous.is_none() {
            self.strays(connection, (previous.map_or(i64::MIN, |previous| previous.number), number)).await?;
        }
        let follows = previous.filter(|_| number == expected);
        let begins = follows.map(|previous| previous.hash.as_slice()).or((number == 1).then_some(&BEGINNING[..]));
        if begins.is_some_and(|begins| begins != seal.previous_hash) {
            let what = "it does not begin with the hash that the seal before ends with".to_owned();
            self.found.find(Kind::ChainBroken, Some(number), None, what);
        }
        self.signature(seal, follows);
        match seal.purged_at {
            Some(at) => {
                self.found.purged_seals += 1;
                self.purged.push((number, seal.last_at, at));
                self.remains(connection, number).await
            }
            None => match self.events(connection, seal).await {
                Err(Error::Failed(why)) => {
                    let what = format!("its events cannot be read: {why}");
                    self.found.find(Kind::Unreadable, Some(number), None, what);
                    Ok(())
                }
                outcome => outcome,
            },
        }
    }

    fn signature(&mut self, seal: &AuditSeal, previous: Option<&AuditSeal>) {
        let number = Some(seal.number);
        let signed = match check(seal, self.ring) {
            Ok(signed) => signed,
            Err(why) => return self.found.find(Kind::SealAltered, number, None, why),
        };
        self.found.signed_by(seal.number, &seal.kid, (signed.known, signed.revoked_at));
        if let Some(at) = signed.revoked_at.filter(|at| *at <= seal.sealed_at) {
            let what = format!("it is signed by key {}, which was revoked at {}", seal.kid, at.format("%FT%TZ"));
            self.found.find(Kind::KeyRevoked, number, None, what);
        }
        let vouched = signed.claims.previous_signature;
        let Some(previous) = previous else { return };
        let what = match vouched {
            None => "whoever made it could not verify the seal before",
            Some(vouched) if vouched != fingerprint(&previous.signature) => {
                "the seal before has another signature than when this one was made"
            }
            Some(_) => return,
        };
        self.found.find(Kind::PredecessorUnverified, number, None, what.to_owned());
    }

    async fn events(&mut self, connection: &mut Connection, seal: &AuditSeal) -> Result<(), Error> {
        let (mut hash, mut count, mut after) = (seal.previous_hash.clone(), 0_i64, None);
        loop {
            let page = audit_events::of_seal(connection, seal.number, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.at, last.id));
            for event in &page {
                hash = link(&hash, event).to_vec();
                count += 1;
                self.event(seal, event);
            }
        }
        self.found.events += u64::try_from(count).unwrap_or_default();
        let (kind, what) = match count.saturating_sub(seal.events) {
            0 if hash == seal.hash => return Ok(()),
            0 => (Kind::EventsAltered, format!("of its {count} events one at least is not as it was sealed")),
            more @ 1.. => (Kind::EventsAdded, format!("{more} events too many are under it, of {}", seal.events)),
            less => (Kind::EventsMissing, format!("{} of its {} events are missing", less.unsigned_abs(), seal.events)),
        };
        self.found.find(kind, Some(seal.number), None, what);
        Ok(())
    }

    fn event(&mut self, seal: &AuditSeal, event: &AuditEvent) {
        if !(seal.first_at..=seal.last_at).contains(&event.at) {
            let what = format!("the event, of {}, is not of the time of its seal", event.at.format("%FT%T%.6fZ"));
            self.found.find(Kind::EventMisplaced, Some(seal.number), Some(event.id), what);
        }
        if event.action == purge::ACTION {
            self.remember(event);
        }
    }

    fn remember(&mut self, event: &AuditEvent) {
        if let Some(retention) = event.details.0["retention"].as_i64() {
            self.records.insert(event.target.clone(), (event.at, retention));
        }
    }

    /// Events that name seals between two numbers, where there are none.
    async fn strays(&mut self, connection: &mut Connection, between: (i64, i64)) -> Result<(), Error> {
        for (id, seal) in audit_events::between_seals(connection, between, PAGE).await? {
            let what = format!("the event is under seal {seal}, which there is not");
            self.found.find(Kind::EventOfNoSeal, Some(seal), Some(id), what);
        }
        Ok(())
    }

    /// Events that should have been removed.
    async fn remains(&mut self, connection: &mut Connection, number: i64) -> Result<(), Error> {
        for event in audit_events::of_seal(connection, number, None, PAGE).await? {
            let what = "the event is under a seal whose events were removed".to_owned();
            self.found.find(Kind::EventOfPurgedSeal, Some(number), Some(event.id), what);
        }
        Ok(())
    }

    async fn waiting(&mut self, connection: &mut Connection) -> Result<(), Error> {
        self.found.unsealed_events = audit_events::waiting_since(connection, DateTime::<Utc>::MAX_UTC).await?.0;
        let (count, oldest) = audit_events::waiting_since(connection, self.now - OVERDUE).await?;
        if let Some((id, at)) = oldest {
            let what = format!(
                "{count} events have waited for a seal for more than {} hours, this one since {}: does an instance serve?",
                OVERDUE.num_hours(),
                at.format("%FT%TZ")
            );
            self.found.find(Kind::EventsUnsealed, None, Some(id), what);
        }
        for event in audit_events::unsealed_purges(connection, purge::ACTION).await? {
            self.remember(&event);
        }
        Ok(())
    }

    /// Events may be removed when the retention has passed: the present one, or one of before, if the trail itself says so.
    fn purges(&mut self) {
        for (number, last_at, purged_at) in std::mem::take(&mut self.purged) {
            let age = purged_at - last_at;
            let seconds = age.num_seconds();
            self.found.youngest_purged = Some(self.found.youngest_purged.map_or(seconds, |least| least.min(seconds)));
            let recorded = self.records.get(&purge::target(number)).filter(|(at, _)| *at == purged_at);
            let allowed = recorded.map_or(self.retention, |(_, retention)| self.retention.min(*retention));
            if age < Duration::seconds(allowed.max(SHORTEST_RETENTION)) || purged_at > self.now + OVERDUE {
                let what = format!(
                    "its events are said to have been removed at {}, {} hours after the last of them",
                    purged_at.format("%FT%TZ"),
                    age.num_hours()
                );
                self.found.find(Kind::PurgedEarly, Some(number), None, what);
            }
        }
    }
}
