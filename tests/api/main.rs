//! The suite through the front door: one binary, so that it links once and shares one PostgreSQL.

mod access_tokens;
mod bad_input;
mod client_authentication;
mod client_credentials;
mod clock_skew;
mod cluster;
mod endpoints;
mod http_limits;
mod introspection;
mod jwks;
mod log_scan;
mod migrations;
mod password_grant;
mod passwords;
mod refresh_token;
mod revocation;
mod routes;
mod secrets_at_rest;
mod status_indexes;
mod support;
mod unavailable;
mod users;
