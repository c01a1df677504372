//! What a process counts of itself: plain atomics, added to where something happens and read when somebody asks
//! (`http/administration/metrics.rs`, which alone knows the format). Nothing here waits for a lock that a request holds.
//!
//! What follows from other state (the pools, the ring of keys) is not counted here but looked at when it is asked for.

mod counter;
mod histogram;
mod load;
mod requests;
mod seldom;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use counter::{Counter, CounterTable, Moment};
pub use histogram::{Bounds, Histogram, LATENCIES, Reading};
pub use load::{Load, Loads};
pub use requests::{Durations, Requests};
pub use seldom::Seldom;

/// What stands in a label for everything that is not listed: what a client sent is never a label's value.
pub const OTHER: &str = "other";

/// By `grant_type`.
const GRANT_TYPES: &[&str] = &["client_credentials", "password", "refresh_token", OTHER];

/// Error codes of RFC 6749 §5.2 and RFC 8707 §2, and those that stand for 503 and 500.
const OUTCOMES: &[&str] = &[
    "success",
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "temporarily_unavailable",
    "server_error",
    OTHER,
];

const INTROSPECTIONS: &[&str] =
    &["active", "inactive", "invalid_request", "invalid_client", "temporarily_unavailable", "server_error", OTHER];

/// The counts of one issuer in one process, since its start.
#[derive(Debug)]
pub struct Metrics {
    pub started_at: DateTime<Utc>,
    /// Answered requests to the token endpoint, by grant type and outcome.
    pub token_requests: CounterTable,
    /// Answered introspections, by outcome; all in one row.
    pub introspections: CounterTable,
    /// Refreshes that were answered with the same successor again.
    pub refresh_retries: Counter,
    /// Used refresh tokens that came back too late, and ended their grant.
    pub refresh_reuses: Counter,
    /// Passwords that were not looked at: too many attempts under the name or from the address.
    pub logins_throttled: Seldom,
    /// How long requests took, by route and class of status.
    pub requests: Requests,
    /// What each listener bears, and what it has refused.
    pub loads: Loads,
    /// Until when the certificate that is served is valid.
    pub certificate_not_after: Arc<Moment>,
}

impl Metrics {
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self {
            started_at,
            token_requests: CounterTable::new(GRANT_TYPES, OUTCOMES),
            introspections: CounterTable::new(&[OTHER], INTROSPECTIONS),
            refresh_retries: Counter::default(),
            refresh_reuses: Counter::default(),
            logins_throttled: Seldom::default(),
            requests: Requests::default(),
            loads: Loads::default(),
            certificate_not_after: Arc::default(),
        }
    }
}
