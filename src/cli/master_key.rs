//! `signet master-key`: the one secret outside the database, and its replacement.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::compose::{self, unusable_key};
use super::failure::Failure;
use super::output::Report;
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::{Config, MasterKeySource};
use crate::entropy::Entropy;
use crate::keys::master::{MasterKeyError, MasterKeyRing, add_key, create_file};
use crate::keys::reseal::{self, Resealed, Survey};
use crate::store::audit_events::{self, Author};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a file with a new master key, which only its owner can read; an existing file is never overwritten.
    Create {
        /// Names the file to write, instead of the one that SIGNET_MASTER_KEY_FILE names.
        file: Option<PathBuf>,
        /// Leaves an existing file as it is and succeeds.
        #[arg(long)]
        if_missing: bool,
    },
    /// Puts a new key on top of the master key file: it seals from then on, and the older ones still open.
    Add {
        /// Names the file, instead of the one that SIGNET_MASTER_KEY_FILE names.
        file: Option<PathBuf>,
    },
    /// Lists the master keys, and how much is sealed under each.
    List,
    /// Seals everything under the first key, while the issuer serves; what an interrupted run left, the next one does.
    Rotate,
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    match command {
        Command::Create { file, if_missing } => create(file, if_missing, config),
        Command::Add { file } => add(file, config),
        Command::List => list(config).await,
        Command::Rotate => rotate(config).await,
    }
}

/// The file to write, where it is a file at all.
fn chosen(file: Option<PathBuf>, config: &Config) -> Result<PathBuf, Failure> {
    match (file, config.master_key_source()) {
        (Some(file), _) => Ok(file),
        (None, MasterKeySource::File(path)) => Ok(path.to_owned()),
        (None, elsewhere) => Err(Failure::Usage(format!(
            "the master key is taken from {elsewhere}, which signet does not write: name a file, and put what is in it there"
        ))),
    }
}

fn create(file: Option<PathBuf>, if_missing: bool, config: &Config) -> Result<Report, Failure> {
    let file = chosen(file, config)?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::Unusable(format!("{}: {error}: choose a folder that can be written", folder.display()))
        })?;
    }
    let created = match create_file(&file, &Entropy::system()) {
        Ok(()) => true,
        Err(MasterKeyError::Exists(_)) if if_missing => false,
        Err(error @ MasterKeyError::Exists(_)) => {
            return Err(Failure::Unusable(format!("{error}; --if-missing leaves it and succeeds")));
        }
        Err(error) => return Err(unusable_key(&error)),
    };
    let report = Report::record(&json!({ "file": file, "created": created }), &["file", "created"])?;
    Ok(if created {
        report.noting(
            "keep a copy of this file apart from the database's backups: without it nothing sealed can be opened",
        )
    } else {
        report
    })
}

fn add(file: Option<PathBuf>, config: &Config) -> Result<Report, Failure> {
    let file = chosen(file, config)?;
    let id = add_key(&file, &Entropy::system()).map_err(|error| unusable_key(&error))?;
    let view = json!({ "file": file, "master_key": id.to_string() });
    Ok(Report::record(&view, &["file", "master_key"])?
        .noting("keep a copy of this file, apart from the database's backups")
        .noting("give the same file to every instance and restart each; then `signet master-key rotate`"))
}

/// The keys in the order of the file, then those that sealed something and are not in it.
fn listing(ring: &MasterKeyRing, survey: &Survey) -> Vec<Value> {
    let in_ring: Vec<_> = ring.keys().map(|key| (key.id(), true)).collect();
    let others = survey.sealed.keys().filter(|id| ring.find(**id).is_none()).map(|id| (*id, false));
    let row = |(place, (id, held)): (usize, (_, bool))| {
        let of = |table: &str| survey.sealed.get(&id).and_then(|tables| tables.get(table)).copied().unwrap_or(0);
        let role = match (held, place) {
            (true, 0) => "seals",
            (true, _) => "opens",
            (false, _) => "missing",
        };
        json!({
            "master_key": id.to_string(), "role": role,
            "signing_keys": of("signing_keys"), "sealed_secrets": of("sealed_secrets"),
            "webhooks": of("webhooks"),
        })
    };
    in_ring.iter().copied().chain(others).enumerate().map(row).collect()
}

async fn list(config: &Config) -> Result<Report, Failure> {
    let store = compose::store(config).await?;
    let ring = compose::master_key(config, &store, &Entropy::system()).await?;
    let survey = reseal::survey(&store, &ring).await?;
    report(&ring, &survey)
}

fn report(ring: &MasterKeyRing, survey: &Survey) -> Result<Report, Failure> {
    let rows = listing(ring, survey);
    let mut report = Report::list(&rows, &["master_key", "role", "signing_keys", "sealed_secrets", "webhooks"])?;
    let unused = ring.keys().skip(1).filter(|key| !survey.sealed.contains_key(&key.id()));
    for key in unused {
        report = report.noting(format!(
            "master key {} is not needed any more: remove its line from the file of every instance, and keep it only as \
             long as you keep database dumps from before",
            key.id()
        ));
    }
    report.holds = survey.unopened.is_empty();
    Ok(survey.unopened.iter().fold(report, |report, unopened| report.noting(unopened.to_string())))
}

async fn rotate(config: &Config) -> Result<Report, Failure> {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let store = compose::store(config).await?;
    let ring = compose::master_key(config, &store, &entropy).await?;
    let mut progress = Progress::new("sealed anew");
    let done = reseal::rotate(&store, &ring, |done, total| progress.show(done, total)).await;
    drop(progress);
    let Resealed { resealed, left } = done.map_err(|error| match error {
        reseal::ResealError::Store(error) => error.into(),
        unopened @ reseal::ResealError::Unopened(_) => Failure::Unusable(unopened.to_string()),
    })?;
    if resealed > 0 {
        let at = clock.now();
        let (id, target) = (entropy.ordered_uuid(at), format!("master_key:{}", ring.first().id()));
        let event = Author::local("cli").event((id, at), "master_key.rotate", target, json!({ "resealed": resealed }));
        audit_events::insert(&mut store.writing().await?, &event).await?;
    }
    let mut report = report(&ring, &reseal::survey(&store, &ring).await?)?
        .noting(format!("{resealed} values were sealed anew under master key {}", ring.first().id()));
    if left > 0 {
        report.holds = false;
        report = report.noting(format!(
            "{left} values came to be sealed under an older key meanwhile: an instance runs that does not have the new \
             key on top of its file. Restart it with the new file, and run this again"
        ));
    }
    Ok(report)
}
