//! Token status (draft-ietf-oauth-status-list-21): every access token carries the index of one bit, and revoking sets it.
//!
//! This folder hands out indexes, records revocations and publishes the lists. It knows nothing of requests.

mod allocate;
mod bits;
mod published;
mod revoke;

pub use allocate::{Allocator, StatusIndex};
pub use published::{ListDocument, PublishError, Published, TTL, path};
pub use revoke::{Moment, revoke_client_tokens, revoke_grants, revoke_token};
