//! signet, an OAuth 2 token provider.

pub mod clock;
pub mod entropy;
pub mod protocol;
pub mod secret;
pub mod store;
