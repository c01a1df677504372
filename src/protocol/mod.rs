//! The words of the RFCs: requests, responses, error codes, scope, keys, metadata. Imports nothing of ours but the
//! secret types, and decides nothing: whether a request is allowed is `oauth`'s business.

pub mod audience;
pub mod basic;
pub mod client;
pub mod error;
pub mod form;
pub mod introspection;
pub mod issuer;
pub mod jwk;
pub mod metadata;
pub mod network;
pub mod percent;
pub mod scope;
pub mod security_event;
pub mod set_poll;
pub mod status_list;
pub mod token;
pub mod username;
