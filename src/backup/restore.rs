//! Reading a backup into an empty database, in one transaction, and comparing what came to be there.

use std::io::BufRead;

use serde_json::json;

use super::{Backup, BackupError, Contents};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::master::MasterKeyRing;
use crate::store::audit_events::{self, AuditEvent, Author};
use crate::store::tables::{self, Table, Tally};
use crate::store::{Connection, Store, status};

/// Status lists hold a million entries each: far more than any issuer opens between a backup and its restoration.
const LISTS_SKIPPED: i64 = 1000;

/// Where a backup is restored to.
pub struct Restoration<'a> {
    pub store: &'a Store,
    /// Of this database: not that of the one the backup was made of.
    pub master: &'a MasterKeyRing,
    pub clock: &'a Clock,
    pub entropy: &'a Entropy,
}

impl Restoration<'_> {
    /// Restores everything or, on any error, nothing. `progress` is told how many rows are written, of how many.
    pub async fn of<R: BufRead>(
        &self,
        mut backup: Backup<R>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Contents, BackupError> {
        let contents = backup.contents().clone();
        let restored = async |connection: &mut Connection| -> Result<(), BackupError> {
            if let Some((table, rows)) = tables::make_way(connection).await? {
                return Err(BackupError::NotEmpty { table: table.name(), rows });
            }
            let mut expected = vec![Tally::default(); Table::ALL.len()];
            let mut done = 0;
            while let Some(rows) = backup.rows(self.master)? {
                rows.tally(&mut expected[rows.table() as usize]);
                tables::insert(connection, &rows).await?;
                done += rows.len() as u64;
                progress(done, contents.total());
            }
            for (table, expected) in Table::ALL.iter().zip(expected) {
                if tables::tally(connection, *table).await? != expected {
                    return Err(BackupError::Differs { table: table.name() });
                }
            }
            tables::settle(connection).await?;
            // Tokens issued after the backup carry indexes that this database does not know to be taken.
            status::close_lists(connection, LISTS_SKIPPED, self.clock.now()).await?;
            Ok(audit_events::insert(connection, &self.event(&contents)).await?)
        };
        self.store.transaction(restored).await?;
        Ok(contents)
    }

    fn event(&self, contents: &Contents) -> AuditEvent {
        let at = self.clock.now();
        let details = json!({ "backup_created_at": contents.created_at, "signet": contents.signet });
        Author::local("cli").event((self.entropy.ordered_uuid(at), at), "backup.restore", "database", details)
    }
}
