//! A key's state as a function of time: nothing has to run for a key to begin or to stop signing, so all instances
//! switch at the same moment without talking.
//!
//! ```text
//! created                 active_at               successor's active_at        + retention
//!    |---- Published --------|------ Signing ---------|------ Verifying -----------|---- Expired
//! ```
//!
//! Two periods hold it together. `publication`: at least the `max-age` of the key set, the skew between clocks and the
//! time in which an instance learns of a new key, so that every verifier knows a key before it signs. `retention`: the
//! longest lifetime of a token, the skew and the leeway with which expiry is judged, so that every verifier knows a key
//! as long as a token of it lives.

use chrono::{DateTime, TimeDelta, Utc};

use crate::protocol::jwk::Algorithm;

/// How far the clocks of two instances may be apart.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);

/// In the order in which a key goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// In the key set, not signing yet.
    Published,
    /// In the key set, the one that signs.
    Signing,
    /// In the key set for the sake of tokens it has signed.
    Verifying,
    /// No token of it lives: may be deleted.
    Expired,
    /// Withdrawn: in no key set, its tokens are invalid.
    Revoked,
}

impl State {
    /// Whether the key set lists the key, and a token of it may be valid.
    pub fn verifies(self) -> bool {
        matches!(self, Self::Published | Self::Signing | Self::Verifying)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

/// When a key was told to start and, perhaps, to stop.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub kid: String,
    pub algorithm: Algorithm,
    pub active_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it stopped signing elsewhere: such a key verifies from its start, never signs here, and succeeds no other.
    pub retired_at: Option<DateTime<Utc>>,
}

/// What a key's schedule means among the other keys of its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    active_at: DateTime<Utc>,
    revoked: bool,
    /// When the successor starts or the key was retired, and when the last token of this key has expired.
    end: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Span {
    pub fn state(&self, now: DateTime<Utc>) -> State {
        match self.end {
            _ if self.revoked => State::Revoked,
            Some((_, expires_at)) if now >= expires_at => State::Expired,
            Some((superseded_at, _)) if now >= superseded_at => State::Verifying,
            _ if now >= self.active_at => State::Signing,
            _ => State::Published,
        }
    }

    /// When the key stops signing, and when it leaves the key set, if its successor is known.
    pub fn end(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.end.filter(|_| !self.revoked)
    }

    /// When the state changes next, if no key is added or revoked until then.
    pub fn next_transition(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.state(now) {
            State::Published => Some(self.active_at),
            State::Signing => self.end.map(|(superseded_at, _)| superseded_at),
            State::Verifying => self.end.map(|(_, expires_at)| expires_at),
            State::Expired | State::Revoked => None,
        }
    }
}

/// The span of each key, in the order given.
///
/// The keys of an algorithm follow each other by (`active_at`, `kid`), revoked and retired ones left out. A revocation
/// counts from the moment it is known, whatever its time: a clock that lags does not keep a stolen key alive.
pub fn spans(keys: &[Schedule], retention: TimeDelta) -> Vec<Span> {
    let follows = |other: &Schedule, key: &Schedule| {
        other.algorithm == key.algorithm
            && other.revoked_at.is_none()
            && other.retired_at.is_none()
            && (other.active_at, &other.kid) > (key.active_at, &key.kid)
    };
    let successor = |key| keys.iter().filter(|other| follows(other, key)).map(|other| other.active_at).min();
    keys.iter()
        .map(|key| Span {
            active_at: key.active_at,
            revoked: key.revoked_at.is_some(),
            end: key.retired_at.or_else(|| successor(key)).map(|end| (end, later(end, retention))),
        })
        .collect()
}

/// The `active_at` of a key that should be made now for `algorithm`, or `None` while there is nothing to do.
///
/// The first key starts at once ([`immediate`]). A successor starts one `interval` after its predecessor, but not sooner
/// than one `publication` from now. It is made two publication periods ahead where that is possible, so that a check which comes
/// late, or an instance that was down for a while, does not shift the schedule: with an interval of at least two
/// publication periods, and a check in each, keys follow each other by exactly one interval.
pub fn rotation_due(
    keys: &[Schedule],
    algorithm: Algorithm,
    now: DateTime<Utc>,
    interval: TimeDelta,
    publication: TimeDelta,
) -> Option<DateTime<Utc>> {
    let signs = |key: &&Schedule| key.algorithm == algorithm && key.revoked_at.is_none() && key.retired_at.is_none();
    let usable = keys.iter().filter(signs);
    let Some(newest) = usable.map(|key| key.active_at).max() else {
        return Some(immediate(keys, algorithm, now));
    };
    let ends_at = later(newest, interval);
    let waiting = newest > now;
    let due = later(later(now, publication), publication) >= ends_at;
    (!waiting && due).then(|| ends_at.max(later(now, publication)))
}

/// The `active_at` of a key that has to sign now.
///
/// Where no other key could sign, it started a while ago: an instance whose clock is behind then signs with it, too. But
/// it always starts after every key that has started before: it could not supersede it otherwise, and the last tokens of
/// that key would be counted as older than they are.
pub fn immediate(keys: &[Schedule], algorithm: Algorithm, now: DateTime<Utc>) -> DateTime<Utc> {
    let started =
        || keys.iter().filter(|key| key.algorithm == algorithm && key.retired_at.is_none() && key.active_at <= now);
    let alone = started().all(|key| key.revoked_at.is_some());
    let earliest = if alone { now.checked_sub_signed(SKEW).unwrap_or(now) } else { now };
    let newest = started().map(|key| key.active_at).max();
    newest.map_or(earliest, |newest| earliest.max(later(newest, TimeDelta::microseconds(1))))
}

/// Saturating, so that no setting makes these functions panic.
fn later(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
