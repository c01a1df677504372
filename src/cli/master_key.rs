//! `signet master-key`: the one secret outside the database.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::failure::Failure;
use super::output::Report;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::keys::master::{MasterKeyError, create_file};

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
}

pub fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let Command::Create { file, if_missing } = command;
    let file = file.unwrap_or_else(|| config.master_key_file.clone());
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
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            return Err(Failure::Unusable(format!("{error}{cause}")));
        }
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
