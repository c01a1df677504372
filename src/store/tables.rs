//! The tables that make up an issuer, as one list: whatever moves a whole issuer (`copy`, a backup) goes by it, so that
//! no table is left behind by one of them. Not in it: `revisions`, which count for the instances of one database, and
//! `login_throttles`, which are over in minutes and would lock out who has waited long ago, and `remembered_answers`, which
//! are of a day.

use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{Context, SHA256};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::acme::{AcmeAccount, AcmeCertificate};
use super::audit_events::AuditEvent;
use super::audit_seals::AuditSeal;
use super::backend::{insert_all, on};
use super::clients::{Client, ClientSecret};
use super::grants::Grant;
use super::key_set_fetches::KeySetFetch;
use super::known_addresses::KnownAddress;
use super::resource_servers::ResourceServer;
use super::revisions::{self as counters, Topic};
use super::schema::{
    acme_accounts, acme_certificates, audit_events, audit_seals, client_secrets, clients, grants, key_set_fetches,
    known_addresses, resource_servers, revisions, revocations, sealed_secrets, settings, signing_keys, status_leases,
    status_lists, users, webhook_deliveries, webhooks,
};
use super::sealed_secrets::SealedSecret;
use super::settings::Settings;
use super::signing_keys::SigningKey;
use super::status::{self, Revocation, StatusLease, StatusList};
use super::users::User;
use super::webhook_deliveries::WebhookDelivery;
use super::webhooks::Webhook;
use super::{Bind, Connection, Error};

/// Rows in memory at a time.
pub const PAGE: i64 = 1000;

/// What a table holds: how many rows, and a checksum of them in any order (the XOR of each row's SHA-256), since the two
/// databases sort text differently. It holds within one program: another version may hash a row differently.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    pub rows: u64,
    pub checksum: [u8; 32],
}

impl Tally {
    fn add(&mut self, row: &impl Hash) {
        struct Sha256(Context);
        impl Hasher for Sha256 {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }

            fn finish(&self) -> u64 {
                // Never asked: the whole digest is taken from the context.
                0
            }
        }
        let mut hasher = Sha256(Context::new(&SHA256));
        row.hash(&mut hasher);
        for (sum, byte) in self.checksum.iter_mut().zip(hasher.0.finish().as_ref()) {
            *sum ^= byte;
        }
        self.rows += 1;
    }
}

/// Each table: its row, and the column by which pages follow each other with that column's value of a row. In an order in
/// which each row's references come before it.
macro_rules! tables {
    ($($name:ident: $table:ident, $row:ty, $key:ident = |$from:ident| $value:expr;)+) => {
        /// A table of an issuer.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Table { $($name),+ }

        /// Rows of one table.
        #[derive(Clone)]
        pub enum Rows { $($name(Vec<$row>)),+ }

        impl Table {
            /// In an order in which each row's references come before it.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($table)),+ }
            }
        }

        impl Rows {
            pub fn none(table: Table) -> Self {
                match table { $(Table::$name => Self::$name(Vec::new())),+ }
            }

            pub fn table(&self) -> Table {
                match self { $(Self::$name(_) => Table::$name),+ }
            }

            pub fn len(&self) -> usize {
                match self { $(Self::$name(rows) => rows.len()),+ }
            }

            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            pub fn tally(&self, tally: &mut Tally) {
                match self { $(Self::$name(rows) => rows.iter().for_each(|row| tally.add(row))),+ }
            }
        }

        /// The rows behind `after`, at most [`PAGE`].
        pub async fn page(connection: &mut Connection, table: Table, after: Option<&Rows>) -> Result<Rows, Error> {
            match table {
                $(Table::$name => {
                    let after = match after {
                        Some(Rows::$name(rows)) => rows.last().map(|$from| $value),
                        _ => None,
                    };
                    let rows = on!(connection, c => {
                        let mut query = $table::table.into_boxed();
                        if let Some(after) = after {
                            query = query.filter($table::$key.gt(after));
                        }
                        query.order($table::$key).limit(PAGE).select(<$row>::as_select()).load(c)
                    })?;
                    Ok(Rows::$name(rows))
                })+
            }
        }

        pub async fn count(connection: &mut Connection, table: Table) -> Result<u64, Error> {
            let count: i64 = match table {
                $(Table::$name => on!(connection, c => $table::table.count().get_result(c))?),+
            };
            Ok(u64::try_from(count).unwrap_or_default())
        }

        pub async fn insert(connection: &mut Connection, rows: &Rows) -> Result<(), Error> {
            match rows {
                $(Rows::$name(rows) => insert_all!(connection, $table::table, rows)),+
            }
            Ok(())
        }
    };
}

tables! {
    Users: users, User, id = |row| Bind(row.id);
    KnownAddresses: known_addresses, KnownAddress, key = |row| row.key.clone();
    ResourceServers: resource_servers, ResourceServer, id = |row| Bind(row.id);
    Clients: clients, Client, id = |row| Bind(row.id);
    ClientSecrets: client_secrets, ClientSecret, id = |row| Bind(row.id);
    StatusLists: status_lists, StatusList, id = |row| row.id;
    StatusLeases: status_leases, StatusLease, id = |row| Bind(row.id);
    Grants: grants, Grant, id = |row| Bind(row.id);
    Revocations: revocations, Revocation, id = |row| Bind(row.id);
    SigningKeys: signing_keys, SigningKey, kid = |row| row.kid.clone();
    KeySetFetches: key_set_fetches, KeySetFetch, verifier = |row| row.verifier.clone();
    // One version a name so far passes a page boundary; a page holds far more than there ever are.
    SealedSecrets: sealed_secrets, SealedSecret, name = |row| row.name.clone();
    Settings: settings, Settings, id = |row| row.id;
    AuditEvents: audit_events, AuditEvent, id = |row| Bind(row.id);
    AuditSeals: audit_seals, AuditSeal, number = |row| row.number;
    Webhooks: webhooks, Webhook, id = |row| Bind(row.id);
    WebhookDeliveries: webhook_deliveries, WebhookDelivery, id = |row| Bind(row.id);
    AcmeAccounts: acme_accounts, AcmeAccount, directory = |row| row.directory.clone();
    AcmeCertificates: acme_certificates, AcmeCertificate, id = |row| Bind(row.id);
}

/// Reads a whole table, a page at a time.
pub async fn tally(connection: &mut Connection, table: Table) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let mut rows = Rows::none(table);
    loop {
        rows = page(connection, table, Some(&rows)).await?;
        if rows.is_empty() {
            return Ok(tally);
        }
        rows.tally(&mut tally);
    }
}

/// Makes a new database ready to take an issuer's rows. `Some` is a table that holds rows already, and how many: then
/// nothing was changed.
pub async fn make_way(connection: &mut Connection) -> Result<Option<(Table, u64)>, Error> {
    for table in Table::ALL.iter().filter(|table| **table != Table::Settings) {
        let rows = count(connection, *table).await?;
        if rows > 0 {
            return Ok(Some((*table, rows)));
        }
    }
    // The row that the migration made gives way to the one that comes.
    on!(&mut *connection, c => diesel::delete(settings::table).execute(c))?;
    // Instances that serve this database hold copies of what it was.
    let counted = revisions::table;
    on!(connection, c => diesel::update(counted).set(revisions::revision.eq(revisions::revision + 1)).execute(c))?;
    Ok(None)
}

/// How many revocations another database of this issuer may have counted since this one was copied from it.
const REVISIONS_SKIPPED: i64 = 1_000_000;

/// After the rows have come: counters go on behind what the rows and their readers have seen.
pub async fn settle(connection: &mut Connection) -> Result<(), Error> {
    let newest = status::newest_revision(connection).await?;
    counters::advance(connection, Topic::Revocations, newest + REVISIONS_SKIPPED).await?;
    Ok(())
}
