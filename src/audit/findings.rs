//! What a verification of the audit trail says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Findings that are told one by one; the others are only counted.
const TOLD: usize = 1000;

/// The state of the whole trail.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Verification {
    /// Whether nothing was found.
    pub holds: bool,
    pub seals: u64,
    /// Those whose events were removed, because their retention has passed: of them the chain alone is checked.
    pub purged_seals: u64,
    /// How old the youngest removed event was, in seconds: no younger than the shortest retention that was ever set.
    pub youngest_purged: Option<i64>,
    /// Events whose hashes were computed again.
    pub events: u64,
    /// Events that wait for a seal, of whatever age: nothing vouches for them yet.
    pub unsealed_events: u64,
    /// To be compared with what the log or another copy says: who removes the newest seals with their events leaves no gap.
    pub newest: Option<NewestSeal>,
    /// The keys by which the seals are signed.
    pub keys: Vec<SealingKey>,
    pub findings: Vec<Finding>,
    /// Findings beyond those that are told.
    pub further_findings: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct NewestSeal {
    pub number: i64,
    pub hash: String,
    pub sealed_at: DateTime<Utc>,
    pub kid: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct SealingKey {
    pub kid: String,
    /// Whether the issuer still has the key. A seal by a key that it does not have proves nothing by itself: the public key
    /// beside it could be anybody's. Such a seal is vouched for by the next ones, up to one by a key that the issuer has.
    pub known: bool,
    pub revoked_at: Option<DateTime<Utc>>,
    pub first_seal: i64,
    pub last_seal: i64,
}

/// Something that is not as the seals say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Finding {
    pub kind: Kind,
    pub seal: Option<i64>,
    pub event_id: Option<Uuid>,
    pub description: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The number of events is right and their hash is not: one was altered, or replaced.
    EventsAltered,
    EventsMissing,
    EventsAdded,
    /// An event lies outside of the time that its seal is over.
    EventMisplaced,
    /// An event names a seal that there is not.
    EventOfNoSeal,
    /// An event is under a seal whose events were removed.
    EventOfPurgedSeal,
    /// Events have waited for a seal for too long.
    EventsUnsealed,
    /// Something in the rows cannot be read.
    Unreadable,
    SealMissing,
    /// A seal does not begin where the one before ends.
    ChainBroken,
    /// The signature is wrong, or says something else than the seal.
    SealAltered,
    /// The newest seal is by a key that the issuer does not have: anybody could have made it and all before.
    KeyUnknown,
    /// A seal is by a key that was revoked before.
    KeyRevoked,
    /// Whoever made this seal could not verify the one before, or that has another signature since.
    PredecessorUnverified,
    /// The events of a seal were removed before their retention had passed.
    PurgedEarly,
}

impl Verification {
    pub(super) fn new() -> Self {
        Self {
            holds: true,
            seals: 0,
            purged_seals: 0,
            youngest_purged: None,
            events: 0,
            unsealed_events: 0,
            newest: None,
            keys: Vec::new(),
            findings: Vec::new(),
            further_findings: 0,
        }
    }

    pub(super) fn find(&mut self, kind: Kind, seal: Option<i64>, event_id: Option<Uuid>, description: String) {
        self.holds = false;
        if self.findings.len() < TOLD {
            self.findings.push(Finding { kind, seal, event_id, description });
        } else {
            self.further_findings += 1;
        }
    }

    pub(super) fn signed_by(&mut self, number: i64, kid: &str, (known, revoked_at): (bool, Option<DateTime<Utc>>)) {
        match self.keys.iter_mut().find(|key| key.kid == kid) {
            Some(key) => key.last_seal = number,
            None => {
                let kid = kid.to_owned();
                self.keys.push(SealingKey { kid, known, revoked_at, first_seal: number, last_seal: number });
            }
        }
    }
}
