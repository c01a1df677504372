//! signet, an OAuth 2 token provider.

pub mod admin;
pub mod audit;
pub mod background;
pub mod backup;
pub mod certificate;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod oauth;
pub mod password;
pub mod protocol;
pub mod secret;
pub mod spans;
pub mod status;
pub mod store;
pub mod telemetry;
pub mod webhooks;
