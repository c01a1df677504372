//! Moving a whole issuer from one database to another, whichever kinds they are: every row of every table, read from one
//! state of the source, written in one transaction, and compared afterwards.

use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{Context, SHA256};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::audit_events::AuditEvent;
use super::backend::{insert_all, on};
use super::clients::{Client, ClientSecret};
use super::grants::Grant;
use super::key_set_fetches::KeySetFetch;
use super::resource_servers::ResourceServer;
use super::schema::{
    audit_events, client_secrets, clients, grants, key_set_fetches, resource_servers, revisions, revocations,
    sealed_secrets, settings, signing_keys, status_leases, status_lists, users,
};
use super::sealed_secrets::SealedSecret;
use super::settings::Settings;
use super::signing_keys::SigningKey;
use super::status::{Revocation, StatusLease, StatusList};
use super::users::User;
use super::{Bind, Connection, Error, Store};

/// Rows in memory at a time.
const PAGE: i64 = 1000;

/// What a table holds: how many rows, and a checksum of them in any order (the XOR of each row's SHA-256), since the two
/// databases sort text differently.
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

/// Why a database was not copied. Nothing has been written then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the database to copy to is not empty: it has {rows} rows in {table}. Give an empty one")]
    NotEmpty { table: &'static str, rows: u64 },
    #[error("{table} differs after copying ({from:?}, {to:?}): the copy was undone")]
    Differs { table: &'static str, from: Tally, to: Tally },
}

/// Each table: its row, and the column by which pages follow each other with that column's value of a row. In an order in
/// which each row's references come before it.
macro_rules! tables {
    ($($table:ident: $row:ty, $key:ident = |$from:ident| $value:expr;)+) => {
        /// Reads a table, hands each page on, and tallies it.
        async fn read(
            table: &str,
            connection: &mut Connection,
            mut target: Option<&mut Connection>,
        ) -> Result<Tally, Error> {
            let mut tally = Tally::default();
            $(if table == stringify!($table) {
                let mut after = None;
                loop {
                    let page = on!(&mut *connection, c => {
                        let mut query = $table::table.into_boxed();
                        if let Some(after) = after {
                            query = query.filter($table::$key.gt(after));
                        }
                        query.order($table::$key).limit(PAGE).select(<$row>::as_select()).load(c)
                    })?;
                    page.iter().for_each(|row| tally.add(row));
                    if let Some(target) = target.as_deref_mut() {
                        insert_all!(target, $table::table, &page);
                    }
                    let Some($from) = page.last() else { break };
                    after = Some($value);
                }
            })+
            Ok(tally)
        }

        /// The tables that are copied.
        const TABLES: &[&str] = &[$(stringify!($table)),+];
    };
}

tables! {
    users: User, id = |row| Bind(row.id);
    resource_servers: ResourceServer, id = |row| Bind(row.id);
    clients: Client, id = |row| Bind(row.id);
    client_secrets: ClientSecret, id = |row| Bind(row.id);
    status_lists: StatusList, id = |row| row.id;
    status_leases: StatusLease, id = |row| Bind(row.id);
    grants: Grant, id = |row| Bind(row.id);
    revocations: Revocation, id = |row| Bind(row.id);
    signing_keys: SigningKey, kid = |row| row.kid.clone();
    key_set_fetches: KeySetFetch, verifier = |row| row.verifier.clone();
    // One version a name so far passes a page boundary; a page holds far more than there ever are.
    sealed_secrets: SealedSecret, name = |row| row.name.clone();
    settings: Settings, id = |row| row.id;
    audit_events: AuditEvent, id = |row| Bind(row.id);
}

/// Copies every table and compares. `progress` is told each table with what it held.
pub async fn copy(
    source: &Store,
    target: &Store,
    mut progress: impl FnMut(&'static str, Tally),
) -> Result<(), CopyError> {
    source
        .snapshot(async |source: &mut Connection| {
            target.transaction(async |target: &mut Connection| copy_tables(source, target, &mut progress).await).await
        })
        .await
}

async fn copy_tables(
    source: &mut Connection,
    target: &mut Connection,
    progress: &mut impl FnMut(&'static str, Tally),
) -> Result<(), CopyError> {
    for table in TABLES.iter().filter(|table| **table != "settings") {
        let found = read(table, target, None).await?;
        if found.rows > 0 {
            return Err(CopyError::NotEmpty { table, rows: found.rows });
        }
    }
    // The row that the migration made gives way to the source's.
    on!(&mut *target, c => diesel::delete(settings::table).execute(c)).map_err(Error::from)?;
    for table in TABLES {
        let from = read(table, source, Some(target)).await?;
        let to = read(table, target, None).await?;
        if from != to {
            return Err(CopyError::Differs { table, from, to });
        }
        progress(table, from);
    }
    // Instances that serve the target hold copies of what it was.
    let counted = revisions::table;
    on!(&mut *target, c => diesel::update(counted).set(revisions::revision.eq(revisions::revision + 1)).execute(c))
        .map_err(Error::from)?;
    Ok(())
}
