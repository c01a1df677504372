//! Writing a backup: every table, from one state of the database, a page at a time.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::age::{Encryptor, Work};
use super::document::{Checksum, End, Header, Section};
use super::{BackupError, Contents, refuse_weak};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::master::{MasterKeyRing, new_line};
use crate::keys::reseal::{Unopened, reseal};
use crate::secret::Secret;
use crate::store::audit_events::{self, AuditEvent, Author};
use crate::store::sealed::Place;
use crate::store::tables::{self, Rows, Table};
use crate::store::{self, Connection, Store, migrations};

/// Of what a backup is made.
pub struct Creation<'a> {
    pub store: &'a Store,
    pub master: &'a MasterKeyRing,
    pub clock: &'a Clock,
    pub entropy: &'a Entropy,
    /// The configured one, for whoever restores the backup.
    pub issuer: Option<String>,
    pub work: Work,
}

impl Creation<'_> {
    /// Writes the backup to `out`, which is complete only when this has returned. The issuer may be serving meanwhile.
    /// `progress` is told how many rows are written, of how many.
    pub async fn write<W: Write>(
        self,
        out: W,
        passphrase: &Secret,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(Contents, W), BackupError> {
        refuse_weak(passphrase)?;
        // First, so that it is in the backup too, and so that nobody takes everything along unrecorded.
        audit_events::insert(&mut self.store.writing().await?, &self.event()).await?;
        let key = new_line(self.entropy);
        let transfer = MasterKeyRing::from_text(&key)?;
        let age = Encryptor::new(out, passphrase, self.work, self.entropy).map_err(BackupError::Write)?;
        let mut lines = Lines { age, buffer: Zeroizing::default() };
        let contents = self
            .store
            .snapshot(async |connection: &mut Connection| -> Result<Contents, BackupError> {
                let contents = self.contents(connection).await?;
                lines.write(&Header::new(&contents, &key))?;
                let (mut checksums, mut done) = (BTreeMap::new(), 0);
                for table in Table::ALL {
                    lines.write(&Section { table: table.name().to_owned() })?;
                    let mut checksum = Checksum::new();
                    let mut rows = Rows::none(*table);
                    loop {
                        rows = tables::page(connection, *table, Some(&rows)).await?;
                        if rows.is_empty() {
                            break;
                        }
                        let mut resealed = rows.clone();
                        reseal_rows(self.master, &transfer, &mut resealed)?;
                        lines.write_rows(&resealed, &mut checksum)?;
                        done += rows.len() as u64;
                        progress(done, contents.total());
                    }
                    checksums.insert(table.name().to_owned(), checksum.finish());
                }
                lines.write(&End { checksums })?;
                Ok(contents)
            })
            .await?;
        Ok((contents, lines.age.finish().map_err(BackupError::Write)?))
    }

    async fn contents(&self, connection: &mut Connection) -> Result<Contents, BackupError> {
        let mut rows = BTreeMap::new();
        for table in Table::ALL {
            rows.insert(table.name().to_owned(), tables::count(connection, *table).await?);
        }
        let migration = migrations::known()?.pop().unwrap_or_default();
        let (issuer, signet) = (self.issuer.clone(), env!("CARGO_PKG_VERSION").to_owned());
        Ok(Contents { created_at: self.clock.now(), issuer, signet, migration, rows })
    }

    fn event(&self) -> AuditEvent {
        let at = self.clock.now();
        Author::local("cli").event((self.entropy.ordered_uuid(at), at), "backup.create", "database", json!({}))
    }
}

/// Seals what is sealed in these rows under another ring.
pub(super) fn reseal_rows(from: &MasterKeyRing, to: &MasterKeyRing, rows: &mut Rows) -> Result<(), Unopened> {
    let again = |place: Place, sealed: &mut Vec<u8>| match reseal(from, to, &place, sealed) {
        Ok(resealed) => {
            *sealed = resealed;
            Ok(())
        }
        Err(error) => Err(Unopened { place, error }),
    };
    match rows {
        Rows::SigningKeys(keys) => keys
            .iter_mut()
            .try_for_each(|key| again(Place::SigningKey { kid: key.kid.clone() }, &mut key.sealed_private_key)),
        Rows::SealedSecrets(secrets) => secrets.iter_mut().try_for_each(|secret| {
            let place = Place::Secret { name: secret.name.clone(), version: secret.version };
            again(place, &mut secret.ciphertext)
        }),
        Rows::Webhooks(webhooks) => webhooks.iter_mut().try_for_each(|webhook| {
            let place = Place::Authorization { webhook: webhook.name.clone() };
            webhook.sealed_authorization.as_mut().map_or(Ok(()), |sealed| again(place, sealed))
        }),
        Rows::AcmeAccounts(accounts) => accounts.iter_mut().try_for_each(|account| {
            again(Place::AcmeAccount { directory: account.directory.clone() }, &mut account.sealed_credentials)
        }),
        Rows::AcmeCertificates(certificates) => certificates.iter_mut().try_for_each(|certificate| {
            let place = Place::Certificate { id: certificate.id };
            certificate.sealed_private_key.as_mut().map_or(Ok(()), |sealed| again(place, sealed))
        }),
        _ => Ok(()),
    }
}

/// Lines on their way into the encryption.
struct Lines<W> {
    age: Encryptor<W>,
    buffer: Zeroizing<Vec<u8>>,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        self.buffer.clear();
        serde_json::to_writer(&mut *self.buffer, line).map_err(unwritable)?;
        self.buffer.push(b'\n');
        self.age.write(&self.buffer).map_err(BackupError::Write)
    }

    fn write_rows(&mut self, rows: &Rows, checksum: &mut Checksum) -> Result<(), BackupError> {
        self.buffer.clear();
        rows.write(&mut self.buffer).map_err(unwritable)?;
        checksum.add(&self.buffer);
        self.age.write(&self.buffer).map_err(BackupError::Write)
    }
}

fn unwritable(error: serde_json::Error) -> BackupError {
    store::Error::Failed(format!("a row cannot be written as JSON: {error}")).into()
}
