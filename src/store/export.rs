//! Rows as lines of JSON, for a backup. The rows themselves cannot be serialised, so that a hash or a sealed key does not
//! get into an answer or a log by accident: only what is in this file writes them.
//!
//! A column that is added later gets `#[serde(default = …)]` here, so that older backups still restore.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::encodings::{binary, spelled};
use super::acme::{AcmeAccount, AcmeCertificate, Challenge};
use super::audit_events::AuditEvent;
use super::audit_seals::AuditSeal;
use super::clients::{Client, ClientSecret};
use super::grants::Grant;
use super::key_set_fetches::KeySetFetch;
use super::known_addresses::KnownAddress;
use super::resource_servers::ResourceServer;
use super::sealed_secrets::SealedSecret;
use super::settings::Settings;
use super::signing_keys::SigningKey;
use super::status::{Revocation, StatusLease, StatusList};
use super::tables::Rows;
use super::users::User;
use super::webhook_deliveries::WebhookDelivery;
use super::webhooks::Webhook;
use super::{Json, Spelled};
use crate::protocol::client::{AuthMethod, GrantType};
use crate::protocol::jwk::{Algorithm, PublicJwk};
use crate::protocol::network::Network;
use crate::protocol::scope::Scope;
use crate::protocol::security_event::Delivery;

/// Each row's members are its columns. The compiler compares them with the row's: none can be missing.
macro_rules! rows {
    ($($name:ident: $row:literal as $line:ident { $($(#[$attribute:meta])? $column:ident: $type:ty,)+ })+) => {
        $(
            #[derive(Deserialize, Serialize)]
            #[serde(remote = $row, deny_unknown_fields)]
            struct $line { $($(#[$attribute])? $column: $type,)+ }
        )+

        impl Rows {
            /// Appends a line for each row.
            pub fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
                match self {
                    $(Self::$name(rows) => for row in rows {
                        $line::serialize(row, &mut serde_json::Serializer::new(&mut *out))?;
                        out.push(b'\n');
                    }),+
                }
                Ok(())
            }

            /// Adds the row that a line holds.
            pub fn read(&mut self, line: &[u8]) -> Result<(), serde_json::Error> {
                let mut json = serde_json::Deserializer::from_slice(line);
                match self {
                    $(Self::$name(rows) => rows.push($line::deserialize(&mut json)?)),+
                }
                json.end()
            }
        }
    };
}

rows! {
    Users: "User" as UserLine {
        id: Uuid,
        username: String,
        canonical_username: String,
        email: Option<String>,
        password_hash: Option<String>,
        created_at: DateTime<Utc>,
        password_changed_at: DateTime<Utc>,
        password_version: i64,
        last_login_at: Option<DateTime<Utc>>,
        disabled_at: Option<DateTime<Utc>>,
        password_grant_disabled_at: Option<DateTime<Utc>>,
    }
    KnownAddresses: "KnownAddress" as KnownAddressLine {
        #[serde(with = "binary")] key: Vec<u8>,
        user_id: Uuid,
        last_login_at: DateTime<Utc>,
    }
    ResourceServers: "ResourceServer" as ResourceServerLine {
        id: Uuid,
        audience: String,
        #[serde(with = "spelled")] scope: Spelled<Scope>,
        access_token_lifetime: Option<i64>,
        #[serde(with = "spelled")] signing_algorithm: Spelled<Algorithm>,
        #[serde(with = "spelled::optional")] former_signing_algorithm: Option<Spelled<Algorithm>>,
        signing_algorithm_since: Option<DateTime<Utc>>,
        #[serde(with = "binary")] secret_hash: Vec<u8>,
        #[serde(with = "binary::optional")] previous_secret_hash: Option<Vec<u8>>,
        previous_secret_expires_at: Option<DateTime<Utc>>,
        created_at: DateTime<Utc>,
        disabled_at: Option<DateTime<Utc>>,
    }
    Clients: "Client" as ClientLine {
        id: Uuid,
        client_id: String,
        #[serde(with = "spelled::optional")] token_endpoint_auth_method: Option<Spelled<AuthMethod>>,
        grant_types: Json<Vec<GrantType>>,
        #[serde(with = "spelled")] scope: Spelled<Scope>,
        audiences: Json<Vec<String>>,
        access_token_lifetime: Option<i64>,
        refresh_idle_lifetime: Option<i64>,
        refresh_absolute_lifetime: Option<i64>,
        grant_limit: Option<i64>,
        #[serde(default = "added::networks")] allowed_networks: Json<Vec<Network>>,
        created_at: DateTime<Utc>,
        disabled_at: Option<DateTime<Utc>>,
    }
    ClientSecrets: "ClientSecret" as ClientSecretLine {
        id: Uuid,
        client_id: Uuid,
        #[serde(with = "binary")] secret_hash: Vec<u8>,
        created_at: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
    }
    StatusLists: "StatusList" as StatusListLine {
        id: i64,
        size: i64,
        allocated: i64,
        created_at: DateTime<Utc>,
    }
    StatusLeases: "StatusLease" as StatusLeaseLine {
        id: Uuid,
        status_list_id: i64,
        client_id: Option<Uuid>,
        first_index: i64,
        size: i64,
        leased_at: DateTime<Utc>,
        kid: Option<String>,
    }
    Grants: "Grant" as GrantLine {
        id: Uuid,
        client_id: Uuid,
        user_id: Uuid,
        audiences: Json<Vec<String>>,
        #[serde(with = "spelled")] scope: Spelled<Scope>,
        generation: i64,
        created_at: DateTime<Utc>,
        rotated_at: Option<DateTime<Utc>>,
        idle_expires_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        revoked_at: Option<DateTime<Utc>>,
        revoked_reason: Option<String>,
        status_list_id: i64,
        status_index: i64,
    }
    Revocations: "Revocation" as RevocationLine {
        id: Uuid,
        status_list_id: i64,
        first_index: i64,
        last_index: i64,
        revoked_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        revision: i64,
    }
    SigningKeys: "SigningKey" as SigningKeyLine {
        kid: String,
        #[serde(with = "spelled")] algorithm: Spelled<Algorithm>,
        public_jwk: Json<PublicJwk>,
        #[serde(with = "binary")] sealed_private_key: Vec<u8>,
        created_at: DateTime<Utc>,
        active_at: DateTime<Utc>,
        revoked_at: Option<DateTime<Utc>>,
        retired_at: Option<DateTime<Utc>>,
        activation_noted_at: Option<DateTime<Utc>>,
    }
    KeySetFetches: "KeySetFetch" as KeySetFetchLine {
        verifier: String,
        last_fetched_at: DateTime<Utc>,
        newest_key_at: DateTime<Utc>,
    }
    SealedSecrets: "SealedSecret" as SealedSecretLine {
        name: String,
        version: i64,
        #[serde(with = "binary")] ciphertext: Vec<u8>,
        created_at: DateTime<Utc>,
    }
    Settings: "Settings" as SettingsLine {
        id: i64,
        access_token_lifetime: i64,
        refresh_idle_lifetime: i64,
        refresh_absolute_lifetime: i64,
        retry_window: i64,
        key_rotation_interval: i64,
        key_publication_period: i64,
        key_retention: i64,
        jwks_max_age: i64,
        former_key_retention: Option<i64>,
        former_key_retention_until: Option<DateTime<Utc>>,
        former_key_sets_until: Option<DateTime<Utc>>,
        grant_limit: i64,
        #[serde(default = "added::throttling")] login_throttling: bool,
        #[serde(default = "added::number::<20>")] login_limit_per_name: i64,
        #[serde(default = "added::number::<100>")] login_limit_per_address: i64,
        #[serde(default = "added::number::<10>")] login_limit_per_pair: i64,
        #[serde(default = "added::number::<20>")] login_limit_per_known_pair: i64,
        #[serde(default = "added::number::<900>")] login_window: i64,
        #[serde(default = "added::number::<900>")] login_longest_block: i64,
        #[serde(default = "added::number::<31_536_000>")] audit_retention: i64,
        #[serde(default)] audit_tokens: bool,
    }
    AuditEvents: "AuditEvent" as AuditEventLine {
        id: Uuid,
        at: DateTime<Utc>,
        actor: String,
        action: String,
        target: String,
        details: Json<serde_json::Value>,
        address: Option<String>,
        request_id: Option<String>,
        #[serde(default = "added::success")] outcome: String,
        #[serde(default)] seal: Option<i64>,
    }
    AuditSeals: "AuditSeal" as AuditSealLine {
        number: i64,
        events: i64,
        first_at: DateTime<Utc>,
        last_at: DateTime<Utc>,
        #[serde(with = "binary")] previous_hash: Vec<u8>,
        #[serde(with = "binary")] hash: Vec<u8>,
        kid: String,
        public_jwk: Json<PublicJwk>,
        signature: String,
        sealed_at: DateTime<Utc>,
        purged_at: Option<DateTime<Utc>>,
    }
    Webhooks: "Webhook" as WebhookLine {
        id: Uuid,
        name: String,
        #[serde(with = "spelled")] delivery: Spelled<Delivery>,
        endpoint: Option<String>,
        events: Json<Vec<String>>,
        #[serde(with = "binary::optional")] sealed_authorization: Option<Vec<u8>>,
        created_at: DateTime<Utc>,
        disabled_at: Option<DateTime<Utc>>,
    }
    WebhookDeliveries: "WebhookDelivery" as WebhookDeliveryLine {
        id: Uuid,
        webhook_id: Uuid,
        kind: String,
        payload: Json<serde_json::Value>,
        at: DateTime<Utc>,
        attempts: i64,
        next_attempt_at: DateTime<Utc>,
        retry_until: DateTime<Utc>,
        leased_until: Option<DateTime<Utc>>,
        last_error: Option<String>,
        delivered_at: Option<DateTime<Utc>>,
        given_up_at: Option<DateTime<Utc>>,
    }
    AcmeAccounts: "AcmeAccount" as AcmeAccountLine {
        directory: String,
        #[serde(with = "binary")] sealed_credentials: Vec<u8>,
        created_at: DateTime<Utc>,
    }
    AcmeCertificates: "AcmeCertificate" as AcmeCertificateLine {
        id: Uuid,
        directory: String,
        domains: String,
        chain: Option<String>,
        #[serde(with = "binary::optional")] sealed_private_key: Option<Vec<u8>>,
        not_before: Option<DateTime<Utc>>,
        not_after: Option<DateTime<Utc>>,
        next_order_at: DateTime<Utc>,
        failures: i64,
        last_error: Option<String>,
        leased_until: Option<DateTime<Utc>>,
        challenges: Json<Vec<Challenge>>,
        version: i64,
    }
}

mod added;
mod encodings;
#[cfg(test)]
mod tests;
