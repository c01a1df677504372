//! The suite through the front door: one binary, so that it links once and shares one PostgreSQL.

mod bad_input;
mod client_authentication;
mod client_credentials;
mod cluster;
mod introspection;
mod jwks;
mod migrations;
mod password_grant;
mod protected_api;
mod refresh_token;
mod revocation;
mod status_lists;
mod support;
mod users;
