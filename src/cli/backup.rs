//! `signet backup`: the whole issuer in one encrypted file.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::Failure;
use super::output::Report;
use super::progress::Progress;
use super::{compose, passphrase};
use crate::backup::age::Work;
use crate::backup::{Backup, BackupError, Contents, Creation, NewFile, Restoration};
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::secret::Secret;

const MEMBERS: [&str; 6] = ["file", "created_at", "issuer", "signet", "migration", "rows"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a backup of everything in the database; the issuer may go on serving.
    Create(Target),
    /// Reads a whole backup and checks it, without a database: counts, checksums, that every private key belongs to its
    /// public one.
    Verify(Target),
    /// Restores a backup into an empty database, under this machine's own master key.
    Restore(Target),
}

#[derive(Debug, Args)]
pub struct Target {
    /// Names the backup.
    file: PathBuf,
    /// Takes the passphrase from the first line of standard input instead of asking.
    #[arg(long)]
    passphrase_stdin: bool,
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    match command {
        Command::Create(target) => create(&target, config).await,
        Command::Verify(target) => verify(&target),
        Command::Restore(target) => restore(&target, config).await,
    }
}

async fn create(target: &Target, config: &Config) -> Result<Report, Failure> {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let store = compose::store(config).await?;
    let master = compose::master_key(config, &store, &entropy).await?;
    let failed = |error: std::io::Error| Failure::Unusable(format!("{}: {error}", target.file.display()));
    // Asked for only when the file can be written.
    let file = NewFile::create(&target.file, &entropy).map_err(failed)?;
    let passphrase = passphrase::new(target.passphrase_stdin)?;
    let issuer = config.issuer.as_ref().map(ToString::to_string);
    let creation =
        Creation { store: &store, master: &master, clock: &clock, entropy: &entropy, issuer, work: Work::DEFAULT };
    let mut progress = Progress::new("rows");
    let (contents, file) =
        creation.write(file, &passphrase, |done, total| progress.show(done, total)).await.map_err(failure)?;
    drop(progress);
    file.commit().map_err(failed)?;
    Ok(report(&target.file, &contents)?
        .noting("keep the passphrase apart from the backup: without it nothing in the backup can be read"))
}

fn verify(target: &Target) -> Result<Report, Failure> {
    let backup = open(target)?;
    let mut progress = Progress::new("rows");
    let contents = backup.verify(|done, total| progress.show(done, total)).map_err(failure)?;
    drop(progress);
    report(&target.file, &contents)
}

async fn restore(target: &Target, config: &Config) -> Result<Report, Failure> {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let backup = open(target)?;
    let store = compose::store(config).await?;
    let master = compose::master_key(config, &store, &entropy).await?;
    let restoration = Restoration { store: &store, master: &master, clock: &clock, entropy: &entropy };
    let mut progress = Progress::new("rows");
    let contents = restoration.of(backup, |done, total| progress.show(done, total)).await.map_err(failure)?;
    drop(progress);
    let mut report = report(&target.file, &contents)?.noting(
        "what happened after the backup is not in it: revoke again what was revoked since (see docs/backup.md)",
    );
    let configured = config.issuer.as_ref().map(ToString::to_string);
    if let Some(issuer) = contents.issuer.filter(|issuer| configured.as_ref() != Some(issuer)) {
        report = report.noting(format!(
            "the backup is of the issuer {issuer}, and SIGNET_ISSUER is {}: its tokens hold only where it is the same",
            configured.as_deref().unwrap_or("not set")
        ));
    }
    Ok(report)
}

fn open(target: &Target) -> Result<Backup<BufReader<File>>, Failure> {
    let file =
        File::open(&target.file).map_err(|error| Failure::Unusable(format!("{}: {error}", target.file.display())))?;
    let passphrase: Secret = passphrase::existing(target.passphrase_stdin)?;
    Backup::open(BufReader::new(file), &passphrase).map_err(failure)
}

fn report(file: &Path, contents: &Contents) -> Result<Report, Failure> {
    let mut view = serde_json::to_value(contents).map_err(|error| Failure::Output(error.into()))?;
    view["file"] = json!(file);
    Report::record(&view, &MEMBERS)
}

fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Store(error) => error.into(),
        BackupError::WeakPassphrase => Failure::Usage(error.to_string()),
        other => Failure::Unusable(other.to_string()),
    }
}
