//! The tables, as the migrations make them. A test compares this file with a migrated database.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($column:ident -> $type:ty,)+ })+) => {
        $(table! {
            use diesel::sql_types::*;
            use crate::store::backend::{DbJson, DbTime, DbUuid};
            $name ($($key),+) { $($column -> $type,)+ }
        })+
        allow_tables_to_appear_in_same_query!($($name,)+);

        /// Every table and its columns, for the test that compares them with the migrated database.
        #[cfg(test)]
        pub const TABLES: &[(&str, &[&str])] = &[$((stringify!($name), &[$(stringify!($column)),+])),+];
    };
}

tables! {
    acme_accounts (directory) {
        directory -> Text,
        sealed_credentials -> Binary,
        created_at -> DbTime,
    }
    acme_certificates (id) {
        id -> DbUuid,
        directory -> Text,
        domains -> Text,
        chain -> Nullable<Text>,
        sealed_private_key -> Nullable<Binary>,
        not_before -> Nullable<DbTime>,
        not_after -> Nullable<DbTime>,
        next_order_at -> DbTime,
        failures -> BigInt,
        last_error -> Nullable<Text>,
        leased_until -> Nullable<DbTime>,
        challenges -> DbJson,
        version -> BigInt,
    }
    users (id) {
        id -> DbUuid,
        username -> Text,
        canonical_username -> Text,
        email -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        created_at -> DbTime,
        password_changed_at -> DbTime,
        password_version -> BigInt,
        last_login_at -> Nullable<DbTime>,
        disabled_at -> Nullable<DbTime>,
        password_grant_disabled_at -> Nullable<DbTime>,
    }
    resource_servers (id) {
        id -> DbUuid,
        audience -> Text,
        scope -> Text,
        access_token_lifetime -> Nullable<BigInt>,
        signing_algorithm -> Text,
        former_signing_algorithm -> Nullable<Text>,
        signing_algorithm_since -> Nullable<DbTime>,
        secret_hash -> Binary,
        previous_secret_hash -> Nullable<Binary>,
        previous_secret_expires_at -> Nullable<DbTime>,
        created_at -> DbTime,
        disabled_at -> Nullable<DbTime>,
    }
    clients (id) {
        id -> DbUuid,
        client_id -> Text,
        token_endpoint_auth_method -> Nullable<Text>,
        grant_types -> DbJson,
        scope -> Text,
        audiences -> DbJson,
        access_token_lifetime -> Nullable<BigInt>,
        refresh_idle_lifetime -> Nullable<BigInt>,
        refresh_absolute_lifetime -> Nullable<BigInt>,
        created_at -> DbTime,
        disabled_at -> Nullable<DbTime>,
        grant_limit -> Nullable<BigInt>,
        allowed_networks -> DbJson,
    }
    client_secrets (id) {
        id -> DbUuid,
        client_id -> DbUuid,
        secret_hash -> Binary,
        created_at -> DbTime,
        expires_at -> Nullable<DbTime>,
    }
    status_lists (id) {
        id -> BigInt,
        size -> BigInt,
        allocated -> BigInt,
        created_at -> DbTime,
    }
    status_leases (id) {
        id -> DbUuid,
        status_list_id -> BigInt,
        client_id -> Nullable<DbUuid>,
        first_index -> BigInt,
        size -> BigInt,
        leased_at -> DbTime,
        kid -> Nullable<Text>,
    }
    grants (id) {
        id -> DbUuid,
        client_id -> DbUuid,
        user_id -> DbUuid,
        audiences -> DbJson,
        scope -> Text,
        generation -> BigInt,
        created_at -> DbTime,
        rotated_at -> Nullable<DbTime>,
        idle_expires_at -> DbTime,
        expires_at -> DbTime,
        revoked_at -> Nullable<DbTime>,
        revoked_reason -> Nullable<Text>,
        status_list_id -> BigInt,
        status_index -> BigInt,
    }
    revocations (id) {
        id -> DbUuid,
        status_list_id -> BigInt,
        first_index -> BigInt,
        last_index -> BigInt,
        revoked_at -> DbTime,
        expires_at -> DbTime,
        revision -> BigInt,
    }
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        public_jwk -> DbJson,
        sealed_private_key -> Binary,
        created_at -> DbTime,
        active_at -> DbTime,
        revoked_at -> Nullable<DbTime>,
        retired_at -> Nullable<DbTime>,
        activation_noted_at -> Nullable<DbTime>,
    }
    sealed_secrets (name, version) {
        name -> Text,
        version -> BigInt,
        ciphertext -> Binary,
        created_at -> DbTime,
    }
    settings (id) {
        id -> BigInt,
        access_token_lifetime -> BigInt,
        refresh_idle_lifetime -> BigInt,
        refresh_absolute_lifetime -> BigInt,
        retry_window -> BigInt,
        key_rotation_interval -> BigInt,
        key_publication_period -> BigInt,
        key_retention -> BigInt,
        jwks_max_age -> BigInt,
        former_key_retention -> Nullable<BigInt>,
        former_key_retention_until -> Nullable<DbTime>,
        former_key_sets_until -> Nullable<DbTime>,
        grant_limit -> BigInt,
        login_throttling -> Bool,
        login_limit_per_name -> BigInt,
        login_limit_per_address -> BigInt,
        login_limit_per_pair -> BigInt,
        login_limit_per_known_pair -> BigInt,
        login_window -> BigInt,
        login_longest_block -> BigInt,
        audit_retention -> BigInt,
        audit_tokens -> Bool,
    }
    login_throttles (key) {
        key -> Binary,
        attempts -> BigInt,
        allowed -> BigInt,
        pause -> BigInt,
        blocked_until -> BigInt,
        forgotten_at -> BigInt,
    }
    known_addresses (key) {
        key -> Binary,
        user_id -> DbUuid,
        last_login_at -> DbTime,
    }
    key_set_fetches (verifier) {
        verifier -> Text,
        last_fetched_at -> DbTime,
        newest_key_at -> DbTime,
    }
    remembered_answers (key) {
        key -> Binary,
        request_hash -> Binary,
        sealed_answer -> Binary,
        created_at -> DbTime,
    }
    revisions (topic) {
        topic -> Text,
        revision -> BigInt,
    }
    audit_events (id) {
        id -> DbUuid,
        at -> DbTime,
        actor -> Text,
        action -> Text,
        target -> Text,
        details -> DbJson,
        address -> Nullable<Text>,
        request_id -> Nullable<Text>,
        outcome -> Text,
        seal -> Nullable<BigInt>,
    }
    audit_seals (number) {
        number -> BigInt,
        events -> BigInt,
        first_at -> DbTime,
        last_at -> DbTime,
        previous_hash -> Binary,
        hash -> Binary,
        kid -> Text,
        public_jwk -> DbJson,
        signature -> Text,
        sealed_at -> DbTime,
        purged_at -> Nullable<DbTime>,
    }
    webhooks (id) {
        id -> DbUuid,
        name -> Text,
        delivery -> Text,
        endpoint -> Nullable<Text>,
        events -> DbJson,
        sealed_authorization -> Nullable<Binary>,
        created_at -> DbTime,
        disabled_at -> Nullable<DbTime>,
    }
    webhook_deliveries (id) {
        id -> DbUuid,
        webhook_id -> DbUuid,
        kind -> Text,
        payload -> DbJson,
        at -> DbTime,
        attempts -> BigInt,
        next_attempt_at -> DbTime,
        retry_until -> DbTime,
        leased_until -> Nullable<DbTime>,
        last_error -> Nullable<Text>,
        delivered_at -> Nullable<DbTime>,
        given_up_at -> Nullable<DbTime>,
    }
}

joinable!(client_secrets -> clients (client_id));
joinable!(grants -> clients (client_id));
joinable!(grants -> users (user_id));
joinable!(webhook_deliveries -> webhooks (webhook_id));

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
    }

    #[test]
    fn the_tables_are_those_that_the_migrations_make() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        let mut migrations: Vec<_> = folder.map(|migration| migration.unwrap().path().join("up.sql")).collect();
        migrations.sort();
        for up in migrations {
            connection.batch_execute(&std::fs::read_to_string(up).unwrap()).unwrap();
        }
        let mut columns = |query: &str| -> Vec<String> {
            let rows = diesel::sql_query(query).load::<Column>(&mut connection).unwrap();
            rows.into_iter().map(|column| column.name).collect()
        };
        let mut tables = columns("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
        tables.sort();
        let mut known: Vec<&str> = super::TABLES.iter().map(|(table, _)| *table).collect();
        known.sort_unstable();
        assert_eq!(known, tables);
        for (table, known) in super::TABLES {
            assert_eq!(columns(&format!("SELECT name FROM pragma_table_info('{table}')")), *known, "{table}");
        }
    }
}
