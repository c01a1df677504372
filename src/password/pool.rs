//! Hashing and verifying passwords off the async workers, in bounded memory (19 MiB a worker by default).
//!
//! Verification costs the same whether there is such a user or not; who is told what is left to the caller.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::arena::{Arena, Tally};
use super::breached::BreachedPasswords;
use super::foreign::ForeignHash;
use super::hash::Argon2id;
use super::stored::Stored;
use super::workers::{Place, Workers};
use super::wrapped::Wrapped;
use super::{Error, Observed, Parameters, Password, PasswordHash};
use crate::entropy::Entropy;
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Threads, each with memory of its own. More than the machine's cores gain nothing. None counts as one.
    pub workers: usize,
    /// Callers that may wait for a thread. One more is turned away at once.
    pub queue: usize,
    /// How long they may wait.
    pub deadline: Duration,
    /// For new hashes, and for the dummy of unknown users.
    pub parameters: Parameters,
    /// Where new passwords are looked up.
    pub breached: Option<BreachedPasswords>,
}

/// What was found about a presented password.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Right {
        /// To be stored in place of the old one, whose parameters are not today's.
        rehash: Option<PasswordHash>,
    },
    Wrong,
}

/// A presented password that has a place in the queue, and is verified when its turn comes. Dropped, it gives the place
/// back.
pub struct Admitted<'a> {
    pool: &'a Pool,
    place: Place,
    /// As it was typed: other systems hashed it without normalisation.
    presented: Secret,
    password: Password,
}

/// Made once in a process and shared by all its runtimes, which need tokio's timer.
pub struct Pool {
    workers: Workers,
    parameters: Parameters,
    dummy: Argon2id,
    breached: Option<BreachedPasswords>,
    entropy: Entropy,
    tally: Arc<Tally>,
}

impl Pool {
    /// # Errors
    /// When the operating system gives no thread.
    pub fn new(settings: &PoolSettings, entropy: Entropy) -> io::Result<Self> {
        let parameters = settings.parameters;
        let tally = Arc::new(Tally::default());
        let arenas = (0..settings.workers.max(1)).map(|_| Arena::new(parameters, Arc::clone(&tally))).collect();
        let workers = Workers::start(arenas, settings.queue, settings.deadline)?;
        let dummy = Argon2id::dummy(parameters, &entropy);
        Ok(Self { workers, parameters, dummy, breached: settings.breached.clone(), entropy, tally })
    }

    /// Hashes a new password, which [`check`](super::check) has accepted, unless it was found in a breach.
    pub async fn hash(&self, password: Secret) -> Result<PasswordHash, Error> {
        let (password, parameters, salt) = (Password::new(&password)?, self.parameters, self.entropy.bytes());
        let breached = self.breached.clone();
        let task = move |arena: &mut Arena| match breached.map(|ranges| ranges.contain(&password)).transpose()? {
            Some(true) => Err(Error::Breached),
            Some(false) | None => Ok(Argon2id::compute(&password, parameters, salt, arena).into()),
        };
        let place = self.workers.admit()?;
        self.workers.run(place, task).await?
    }

    /// Lets a presented password in, or turns it away at once: what else has to be asked for it, the database is spared
    /// then.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, [`Error::TooLong`] whoever it is for.
    pub fn admit(&self, presented: &Secret) -> Result<Admitted<'_>, Error> {
        let password = Password::new(presented)?;
        Ok(Admitted { pool: self, place: self.workers.admit()?, presented: presented.clone(), password })
    }

    /// Verifies a presented password that nothing else has to be asked for.
    pub async fn verify(&self, presented: Secret, stored: Option<PasswordHash>) -> Result<Verdict, Error> {
        self.admit(&presented)?.verify(stored, std::future::pending()).await
    }

    /// Puts Argon2id over a hash of another system.
    pub async fn wrap(&self, hash: ForeignHash) -> Result<PasswordHash, Error> {
        let (parameters, salt) = (self.parameters, self.entropy.bytes());
        let place = self.workers.admit()?;
        self.workers.run(place, move |arena| Wrapped::wrap(&hash, parameters, salt, arena)).await
    }

    /// Callers waiting for their turn now.
    pub fn waiting(&self) -> usize {
        self.workers.waiting()
    }

    /// How many may hash at a time, and how many may wait besides.
    pub fn limits(&self) -> (usize, usize) {
        self.workers.limits()
    }

    /// What came of those who asked.
    pub fn observed(&self) -> &Observed {
        &self.workers.observed
    }

    /// Threads hashing now.
    pub fn hashing(&self) -> usize {
        self.workers.hashing()
    }

    /// Hashes computed since the start.
    pub fn computations(&self) -> usize {
        self.tally.computations()
    }
}

impl Admitted<'_> {
    /// Verifies the password. `stored` is `None` for a user who is unknown, disabled or without a password: the answer is
    /// then [`Verdict::Wrong`], after the same work.
    ///
    /// A right password with outdated parameters, or with a hash of another system, is hashed anew in the same turn, which
    /// then takes longer.
    ///
    /// # Errors
    /// [`Error::Busy`] when the wait was too long, or `gone` came before the turn did; nothing was hashed then.
    pub async fn verify(self, stored: Option<PasswordHash>, gone: impl Future<Output = ()>) -> Result<Verdict, Error> {
        let Self { pool, place, presented, password } = self;
        let (parameters, dummy, salt) = (pool.parameters, pool.dummy, pool.entropy.bytes());
        let task = move |arena: &mut Arena| {
            let stored = match stored.as_ref().map(Stored::parse) {
                Some(Ok(stored)) => stored,
                unusable => {
                    // No user and a malformed hash cost a verification too, or the time would tell.
                    dummy.matches(&password, arena);
                    return unusable
                        .and_then(Result::err)
                        .map_or(Ok(Verdict::Wrong), |malformed| Err(malformed.into()));
                }
            };
            if !stored.matches(&presented, &password, &dummy, arena) {
                return Ok(Verdict::Wrong);
            }
            let outdated = stored.needs_rehash(&parameters);
            let rehash = outdated.then(|| Argon2id::compute(&password, parameters, salt, arena).into());
            Ok(Verdict::Right { rehash })
        };
        pool.workers.run_unless(gone, place, task).await?
    }
}

#[cfg(test)]
mod imported_tests;
#[cfg(test)]
mod tests;
