//! Evidence of tampering with the audit trail: seals over events, made in the background and checked on demand.
//!
//! A seal is over some events in the order of their times: a chain of hashes through each event's [canonical]
//! bytes, which begins with the hash of the seal before. It is signed by the key that signs the status lists, and vouches for
//! the signature of the seal before, if its maker could check it. So the newest signature, by a key that the issuer knows,
//! vouches for all; the keys of older seals may have gone. `docs/audit.md` says what this protects from and what not.

pub mod canonical;
mod chain;
mod claims;
pub mod findings;
pub mod purge;
mod seal;
pub mod verify;

pub use purge::SHORTEST_RETENTION;
pub use seal::{SealError, Sealed, Trail};

/// Events that one seal is over at most.
pub const EVENTS_A_SEAL: i64 = 10_000;

/// What an event must be older than to be sealed: those that are being committed are then all there, or nearly.
const SETTLED: chrono::Duration = chrono::Duration::minutes(2);

/// How often there is a seal.
const INTERVAL: chrono::Duration = chrono::Duration::hours(1);

/// How long an event may go without a seal before that is a finding.
const OVERDUE: chrono::Duration = chrono::Duration::hours(3);
