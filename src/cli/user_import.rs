//! `signet user import`: users of another system with their password hashes, from a file.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::output::{Report, line};
use super::place::{Console, Place};
use super::private_file;
use super::progress::Progress;
use super::user_file::UserFile;
use crate::admin::operation::NoQuery;
use crate::admin::operations::users::ImportUsers;
use crate::admin::user_import::{BATCH, Import, ImportedUser, Options, RefusedLine, Summary, UserImport};

/// Refused lines that are told on standard error.
const TOLD: u64 = 20;

const MEMBERS: [&str; 3] = ["imported", "existing", "refused"];

#[derive(Debug, Args)]
pub struct Arguments {
    /// Names the file: .jsonl with an object a line, or .csv with a header; docs/user-import.md has the fields.
    file: PathBuf,
    /// Checks every line and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Puts Argon2id over each hash, so that none of the old ones is stored; takes as long as a login for each user.
    #[arg(long)]
    pub wrap: bool,
    /// Writes every refused line's number and the reason into this new file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub async fn run(arguments: Arguments, place: &Place) -> Result<Report, Failure> {
    let Arguments { file, dry_run, wrap, report } = arguments;
    // Only wrapping hashes.
    let wrappers = if wrap { place.config.password_workers.get() } else { 1 };
    let console = place.console_with(wrappers).await?;
    let mut users = UserFile::open(&file)?;
    let mut refusals = Refusals::new(report.as_deref())?;
    let mut import = Importer::new(&console, Options { dry_run, wrap, wrappers });
    let mut progress = Progress::new(if dry_run { "checking, bytes" } else { "importing, bytes" });
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        let mut unreadable = Vec::new();
        while batch.len() + unreadable.len() < BATCH {
            match users.next()? {
                None => break,
                Some(Ok(user)) => batch.push(user),
                Some(Err(refused)) => unreadable.push(refused),
            }
        }
        if batch.is_empty() && unreadable.is_empty() {
            break;
        }
        let mut refused = import.add(batch).await?;
        unreadable.iter().for_each(|_| import.count_unreadable());
        refused.append(&mut unreadable);
        refused.sort_by_key(|refused| refused.line);
        refusals.note(refused)?;
        let (read, length) = users.progress();
        progress.show(read, length);
    }
    drop(progress);
    let summary = import.summary();
    let mut answer = Report::record(&summary, &MEMBERS)?;
    answer.holds = summary.refused == 0;
    if dry_run {
        answer = answer.noting("a dry run: nothing was changed, and `imported` counts what would be");
    }
    if summary.existing > 0 {
        answer = answer.noting(format!("{} users were there already, and are as they were", summary.existing));
    }
    if summary.refused > TOLD && report.is_none() {
        answer = answer.noting("--report FILE tells every refused line");
    }
    if summary.imported > 0 && !dry_run {
        answer = answer.noting(format!("{} holds password hashes: delete it", file.display()));
    }
    Ok(answer)
}

/// Who imports: an import here remembers all of its lines, a server those of one request.
enum Importer<'a> {
    Here(Import<'a>),
    There { console: &'a Console, options: Options, summary: Summary },
}

impl<'a> Importer<'a> {
    fn new(console: &'a Console, options: Options) -> Self {
        match console {
            Console::Here(admin) => Self::Here(Import::new(admin, options)),
            Console::There(_) => Self::There { console, options, summary: Summary::default() },
        }
    }

    async fn add(&mut self, users: Vec<ImportedUser>) -> Result<Vec<RefusedLine>, Failure> {
        match self {
            Self::Here(import) => Ok(import.add(users).await?),
            Self::There { console, options: Options { dry_run, wrap, .. }, summary } => {
                let import = UserImport { users, dry_run: *dry_run, wrap: *wrap };
                let answer = console.ask::<ImportUsers>((), NoQuery {}, import).await?;
                summary.imported += answer.summary.imported;
                summary.existing += answer.summary.existing;
                summary.refused += answer.summary.refused;
                Ok(answer.refused_lines)
            }
        }
    }

    fn count_unreadable(&mut self) {
        match self {
            Self::Here(import) => import.count_unreadable(),
            Self::There { summary, .. } => summary.refused += 1,
        }
    }

    fn summary(&self) -> Summary {
        match self {
            Self::Here(import) => import.summary(),
            Self::There { summary, .. } => *summary,
        }
    }
}

/// Where refused lines are told: the first on standard error, all in the report.
struct Refusals {
    report: Option<(BufWriter<File>, PathBuf)>,
    told: u64,
}

impl Refusals {
    /// The report is made before anything is imported.
    fn new(report: Option<&Path>) -> Result<Self, Failure> {
        let made =
            report.map(|path| Ok::<_, Failure>((BufWriter::new(private_file::create_new(path)?), path.to_owned())));
        Ok(Self { report: made.transpose()?, told: 0 })
    }

    fn note(&mut self, refused: Vec<RefusedLine>) -> Result<(), Failure> {
        for RefusedLine { line: number, reason } in refused {
            // A user's name may steer a terminal.
            let text: String = format!("line {number}: {reason}").chars().filter(|c| !c.is_control()).collect();
            if self.told < TOLD {
                line(io::stderr(), &text)?;
                self.told += 1;
            }
            if let Some((report, path)) = &mut self.report {
                writeln!(report, "{text}")
                    .map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))?;
            }
        }
        self.flush()
    }

    /// After each batch, so that a run that is killed has told what it refused.
    fn flush(&mut self) -> Result<(), Failure> {
        let Some((report, path)) = &mut self.report else { return Ok(()) };
        report.flush().map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))
    }
}
