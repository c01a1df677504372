//! Users that come from another system with their password hashes: many in one transaction, each line of the source
//! accounted for. Where the lines are from is the caller's business.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::users::check_email;
use super::{Admin, Error};
use crate::password::ForeignHash;
use crate::protocol::username;
use crate::store::users::{self, User};
use crate::store::{self, Connection};

/// How many users are meant for one transaction, and one audit event.
pub const BATCH: usize = 1000;

/// How often a batch is looked at again because somebody else made one of its users meanwhile.
const ATTEMPTS: usize = 3;

/// One user as the source has it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedUser {
    /// Where, for messages.
    pub line: u64,
    pub username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As the other system wrote it.
    pub password_hash: String,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_changed_at: Option<DateTime<Utc>>,
}

/// A line that is not imported, and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct RefusedLine {
    pub line: u64,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Checks everything and changes nothing.
    pub dry_run: bool,
    /// Puts Argon2id over each hash: one costs what a login costs.
    pub wrap: bool,
    /// How many hashes are wrapped at a time.
    pub wrappers: usize,
}

/// What has come of the lines so far. Those of a dry run are what would have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    pub imported: u64,
    /// Users who were there already, and are left as they are.
    pub existing: u64,
    pub refused: u64,
}

/// Some users of another system.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserImport {
    #[schema(max_items = 1000)]
    pub users: Vec<ImportedUser>,
    /// Checks everything and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Puts Argon2id over each hash, so that none of the old ones is stored: takes as long as a login for each.
    #[serde(default)]
    pub wrap: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ImportAnswer {
    #[serde(flatten)]
    pub summary: Summary,
    pub refused_lines: Vec<RefusedLine>,
}

impl Admin {
    /// Imports what fits into one transaction.
    pub async fn import_users(&self, import: UserImport) -> Result<ImportAnswer, Error> {
        let UserImport { users, dry_run, wrap } = import;
        if users.len() > BATCH {
            return Err(Error::invalid("users", format!("may be {BATCH} at a time")));
        }
        let mut import = Import::new(self, Options { dry_run, wrap, wrappers: WRAPPERS });
        let refused_lines = import.add(users).await?;
        Ok(ImportAnswer { summary: import.summary(), refused_lines })
    }
}

/// Hashes of one request that are wrapped at a time: logins have the other threads.
const WRAPPERS: usize = 1;

/// An import under way. What it remembers of the lines is a few dozen bytes each.
pub struct Import<'a> {
    admin: &'a Admin,
    options: Options,
    /// The line of each name, by a hash of the name under a key of this import's own.
    lines: HashMap<u64, u64>,
    key: RandomState,
    summary: Summary,
}

struct Candidate {
    line: u64,
    user: User,
    hash: ForeignHash,
}

impl<'a> Import<'a> {
    pub fn new(admin: &'a Admin, options: Options) -> Self {
        Self { admin, options, lines: HashMap::new(), key: RandomState::new(), summary: Summary::default() }
    }

    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Counts a line that could not even be read.
    pub fn count_unreadable(&mut self) {
        self.summary.refused += 1;
    }

    /// Imports [`BATCH`] users or fewer in one transaction, and answers which were refused.
    ///
    /// # Errors
    /// Then none of them was imported, and all of earlier batches were.
    pub async fn add(&mut self, rows: Vec<ImportedUser>) -> Result<Vec<RefusedLine>, Error> {
        let mut refused = Vec::new();
        let mut candidates = Vec::with_capacity(rows.len());
        for row in rows {
            let line = row.line;
            match self.candidate(row) {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => refused.push(RefusedLine { line, reason }),
            }
        }
        for _ in 0..ATTEMPTS {
            let names: Vec<&str> = candidates.iter().map(|one| one.user.canonical_username.as_str()).collect();
            let there = users::names_among(&mut self.admin.store.reading().await?, &names).await?;
            let there: HashMap<String, String> = there.into_iter().collect();
            candidates.retain(|Candidate { line, user, .. }| {
                let Some(name) = there.get(&user.canonical_username) else { return true };
                if *name == user.username {
                    self.summary.existing += 1;
                } else {
                    let reason = format!("the name counts as that of the user {name}, who is there already");
                    refused.push(RefusedLine { line: *line, reason });
                }
                false
            });
            match self.insert(&mut candidates).await {
                Err(Error::Store(store::Error::Exists)) => {}
                done => {
                    done?;
                    self.summary.imported += candidates.len() as u64;
                    self.summary.refused += refused.len() as u64;
                    refused.sort_by_key(|refused| refused.line);
                    return Ok(refused);
                }
            }
        }
        Err(Error::Busy)
    }

    /// Checks a row by itself and against the lines before it.
    fn candidate(&mut self, row: ImportedUser) -> Result<Candidate, String> {
        let now = self.admin.clock.now();
        username::check(&row.username).map_err(|reason| format!("username {reason}"))?;
        if let Some(email) = &row.email {
            check_email(email).map_err(|error| error.to_string())?;
        }
        if row.password_changed_at.is_some_and(|at| at > now) {
            return Err("password_changed_at lies in the future".to_owned());
        }
        let hash = ForeignHash::read(&row.password_hash).map_err(|error| format!("password_hash {error}"))?;
        let canonical_username = username::canonical(&row.username);
        let name = self.key.hash_one(&canonical_username);
        if let Some(earlier) = self.lines.get(&name) {
            return Err(format!("the user is on line {earlier} already"));
        }
        self.lines.insert(name, row.line);
        let user = User {
            id: self.admin.entropy.ordered_uuid(now),
            username: row.username,
            canonical_username,
            email: row.email,
            password_hash: None,
            created_at: now,
            password_changed_at: row.password_changed_at.unwrap_or(now),
            password_version: 1,
            last_login_at: None,
            disabled_at: row.disabled.then_some(now),
            password_grant_disabled_at: None,
        };
        Ok(Candidate { line: row.line, user, hash })
    }

    async fn insert(&self, candidates: &mut [Candidate]) -> Result<(), Error> {
        let Options { dry_run, wrap, wrappers } = self.options;
        if dry_run || candidates.is_empty() {
            return Ok(());
        }
        // A second attempt finds its hashes wrapped.
        let bare = candidates.iter_mut().filter(|one| one.user.password_hash.is_none());
        stream::iter(bare.map(async |Candidate { user, hash, .. }| {
            let stored = if wrap { self.admin.passwords.wrap(hash.clone()).await? } else { hash.stored() };
            user.password_hash = Some(stored.as_str().to_owned());
            Ok::<(), Error>(())
        }))
        .buffer_unordered(wrappers.max(1))
        .try_collect::<()>()
        .await?;
        let users: Vec<User> = candidates.iter().map(|one| one.user.clone()).collect();
        let disabled = users.iter().filter(|user| user.disabled_at.is_some()).count();
        let inserted = async |connection: &mut Connection| -> Result<(), Error> {
            users::insert_many(connection, &users).await?;
            let details = json!({ "users": users.len(), "disabled": disabled, "wrapped": wrap });
            self.admin.audit(connection, "user.import", "users", details).await
        };
        self.admin.store.transaction(inserted).await
    }
}
