//! The suite through the front door: one binary, so that it links once and shares one PostgreSQL.

mod bad_input;
mod client_authentication;
mod client_credentials;
mod cluster;
mod crash;
mod database_copy;
mod introspection;
mod jwks;
mod migrations;
mod outage;
mod password_grant;
mod postgres_tls;
mod protected_api;
mod refresh_token;
mod revocation;
mod silent_database;
mod start;
mod status_lists;
mod support;
mod users;
