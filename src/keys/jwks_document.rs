//! The published key set, rendered once for each state of the ring.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::ring::Ring;

/// A key set as it goes out.
#[derive(Default)]
pub struct JwksDocument {
    pub body: String,
    /// Quoted, as the header has it.
    pub etag: String,
    /// Seconds.
    pub max_age: i64,
    /// The `created_at` of the newest key in it.
    pub newest_key_at: DateTime<Utc>,
    ring: Arc<Ring>,
    /// From when to when it is true.
    made_at: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

impl JwksDocument {
    pub fn new(ring: Arc<Ring>, max_age: i64, now: DateTime<Utc>) -> Self {
        let body = serde_json::to_string(&ring.jwks(now)).expect("a key set is JSON");
        let hash = digest(&SHA256, body.as_bytes());
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
        let until = ring.keys().iter().filter_map(|key| key.next_transition(now)).min();
        let published = ring.keys().iter().filter(|key| key.state(now).verifies());
        let newest_key_at = published.map(|key| key.opened().created_at).max().unwrap_or_default();
        Self { body, etag, max_age, newest_key_at, ring, made_at: now, until }
    }

    /// Whether it is still what `ring` says at `now`.
    pub fn holds(&self, ring: &Arc<Ring>, max_age: i64, now: DateTime<Utc>) -> bool {
        Arc::ptr_eq(&self.ring, ring)
            && self.max_age == max_age
            && now >= self.made_at
            && self.until.is_none_or(|until| now < until)
            && !self.body.is_empty()
    }
}
