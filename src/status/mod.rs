//! Token status (draft-ietf-oauth-status-list-21): every access token carries the index of one bit, and revoking sets it.
//!
//! This folder hands out indexes, records revocations and publishes the lists. It knows nothing of requests.

mod allocate;
mod bits;
mod feed;
mod published;
mod revoke;
mod revoke_key;

pub use allocate::{Allocator, LEASE_LIFETIME, StatusIndex, Taker};
pub use feed::{Beginning, Change, MOST_RANGES, SETTLED};
pub use published::{ListDocument, PublishError, Published, TTL, path};
pub use revoke::{Moment, record_evicted, revoke_client_tokens, revoke_grants, revoke_token};
pub use revoke_key::{KeyTokens, revoke_key_tokens};
