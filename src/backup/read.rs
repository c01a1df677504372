//! Reading a backup, a page of rows at a time, and checking it on the way: structure, counts, checksums.

use std::io::BufRead;

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::age::Decryptor;
use super::create::reseal_rows;
use super::document::{Checksum, End, FORMAT, Header, Mark, Section, VERSION};
use super::{BackupError, Contents};
use crate::keys::master::MasterKeyRing;
use crate::keys::reseal::check_signing_key;
use crate::secret::Secret;
use crate::store::migrations;
use crate::store::tables::{PAGE, Rows, Table};

/// A backup that is open at some place.
pub struct Backup<R> {
    lines: Lines<R>,
    contents: Contents,
    master: MasterKeyRing,
    /// Those that the backup has: one that was made by an older signet lacks what came later.
    tables: Vec<Table>,
    /// The checksums of the tables read so far, and of the one that is being read with the number of rows left.
    read: Vec<String>,
    reading: Option<(Checksum, u64)>,
}

impl<R: BufRead> Backup<R> {
    /// Decrypts the beginning, and judges whether this program can read the rest.
    pub fn open(input: R, passphrase: &Secret) -> Result<Self, BackupError> {
        let decryptor = Decryptor::new(input, passphrase)?;
        let mut lines =
            Lines { decryptor, chunk: Zeroizing::default(), used: 0, line: Zeroizing::default(), number: 0 };
        lines.next()?;
        let mark: Mark = serde_json::from_slice(&lines.line).map_err(|_| BackupError::NotBackup)?;
        match mark {
            Mark { format, .. } if format != FORMAT => return Err(BackupError::NotBackup),
            Mark { version, .. } if version != VERSION => return Err(BackupError::NewerFormat(version)),
            Mark { .. } => {}
        }
        let (contents, master) = lines.parsed::<Header>()?.into_parts()?;
        if !migrations::known()?.contains(&contents.migration) {
            let Contents { signet, migration, .. } = contents;
            return Err(BackupError::NewerDatabase { signet, migration });
        }
        let tables = Table::ALL.iter().copied().filter(|table| contents.rows.contains_key(table.name())).collect();
        Ok(Self { lines, contents, master, tables, read: Vec::new(), reading: None })
    }

    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The next rows, of one table, sealed under `to` where they are sealed; `None` once the end was found as it must be.
    /// Every signing key that is given out opens and belongs to its public key.
    pub fn rows(&mut self, to: &MasterKeyRing) -> Result<Option<Rows>, BackupError> {
        loop {
            let Some(table) = self.tables.get(self.read.len()).copied() else {
                self.end()?;
                return Ok(None);
            };
            let (mut checksum, left) = match self.reading.take() {
                Some(reading) => reading,
                None => (Checksum::new(), self.section(table)?),
            };
            if left == 0 {
                self.read.push(checksum.finish());
                continue;
            }
            let mut rows = Rows::none(table);
            let taken = left.min(PAGE.unsigned_abs());
            for _ in 0..taken {
                self.lines.next()?;
                rows.read(&self.lines.line).map_err(|error| self.lines.unexpected(&error))?;
                checksum.add(&self.lines.line);
                checksum.add(b"\n");
            }
            self.reading = Some((checksum, left - taken));
            if let Rows::SigningKeys(keys) = &rows {
                for key in keys {
                    check_signing_key(&self.master, key)
                        .map_err(|fault| BackupError::SigningKey { kid: key.kid.clone(), fault })?;
                }
            }
            reseal_rows(&self.master, to, &mut rows)?;
            return Ok(Some(rows));
        }
    }

    /// Reads everything and keeps nothing. `progress` is told how many rows are read, of how many.
    pub fn verify(mut self, mut progress: impl FnMut(u64, u64)) -> Result<Contents, BackupError> {
        let mut done = 0;
        // Any ring will do: what matters is that what is sealed opens.
        let to = MasterKeyRing::from_text(&crate::keys::master::new_line(&crate::entropy::Entropy::system()))?;
        while let Some(rows) = self.rows(&to)? {
            done += rows.len() as u64;
            progress(done, self.contents.total());
        }
        Ok(self.contents)
    }

    /// Reads the line that begins a table; answers how many rows follow.
    fn section(&mut self, table: Table) -> Result<u64, BackupError> {
        self.lines.next()?;
        let section: Section = self.lines.parsed()?;
        if section.table != table.name() {
            return Err(self.lines.unexpected(&format!("expected the table {}", table.name())));
        }
        let rows = self.contents.rows.get(table.name()).copied();
        rows.ok_or_else(|| self.lines.unexpected(&"the header does not count this table"))
    }

    fn end(&mut self) -> Result<(), BackupError> {
        self.lines.next()?;
        let End { checksums } = self.lines.parsed()?;
        for (table, read) in self.tables.iter().zip(&self.read) {
            if checksums.get(table.name()) != Some(read) {
                return Err(BackupError::Checksum { table: table.name() });
            }
        }
        self.lines.nothing_more()
    }
}

/// The lines of what is decrypted.
struct Lines<R> {
    decryptor: Decryptor<R>,
    chunk: Zeroizing<Vec<u8>>,
    used: usize,
    /// The line read last, without its end.
    line: Zeroizing<Vec<u8>>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<(), BackupError> {
        self.line.clear();
        self.number += 1;
        loop {
            let rest = &self.chunk[self.used..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                self.line.extend_from_slice(&rest[..end]);
                self.used += end + 1;
                return Ok(());
            }
            self.line.extend_from_slice(rest);
            self.used = 0;
            match self.decryptor.chunk()? {
                Some(chunk) => self.chunk = chunk,
                None => return Err(self.unexpected(&"the backup ends here")),
            }
        }
    }

    fn nothing_more(&mut self) -> Result<(), BackupError> {
        let nothing = self.chunk[self.used..].is_empty() && self.decryptor.chunk()?.is_none();
        if nothing { Ok(()) } else { Err(self.unexpected(&"expected nothing behind it")) }
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, BackupError> {
        serde_json::from_slice(&self.line).map_err(|error| self.unexpected(&error))
    }

    fn unexpected(&self, reason: &dyn std::fmt::Display) -> BackupError {
        BackupError::Line { line: self.number, reason: reason.to_string() }
    }
}
