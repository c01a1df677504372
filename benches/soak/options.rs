//! The command line of the soak.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Soaks two instances behind HAProxy for ten minutes, and judges whether clients kept what they were promised.
#[derive(Parser)]
#[command(name = "soak")]
pub struct Options {
    /// How long it takes, without the preparation; the events move closer together when it is shorter
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(60..=86_400))]
    pub seconds: u64,
    /// Sessions that hold a refresh token; each makes a request some 1.4 times a second
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(3..=3000))]
    pub sessions: u32,
    /// Writes the report, in Markdown, to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Copies the logs of all servers to this folder at the end
    #[arg(long, value_name = "FOLDER")]
    pub logs: Option<PathBuf>,
    /// Where the databases are put, in a folder removed at the end: a disk, not memory
    #[arg(long, default_value = "/var/tmp")]
    pub directory: PathBuf,
    /// Breaks one part of the soak itself, to see that it can fail
    #[arg(long)]
    pub broken: Option<Broken>,

    /// What cargo passes to a benchmark, and does not when it only wants to know that it starts (`cargo test`)
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Broken {
    /// An API that fetches the key set once and never again: its tokens fail at the first rotation
    Keys,
    /// Clients that give a session up at the first answer that is none or a 503
    Client,
    /// Clients that keep the refresh token of their login instead of the newest
    Rotation,
    /// APIs that do not look at the status of a token
    Status,
    /// Memory that may not grow at all
    Memory,
}

impl Broken {
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Client => "client",
            Self::Rotation => "rotation",
            Self::Status => "status",
            Self::Memory => "memory",
        }
    }
}
