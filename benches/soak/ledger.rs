//! What happened: every answer, every event, every token that was issued, every promise that was broken. All times are since
//! the begin of the soak.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Examples of each kind of fault that are kept; all are counted.
const EXAMPLES: usize = 5;

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    ClientCredentials,
    Password,
    Refresh,
    Introspection,
    Revocation,
    KeySet,
    StatusList,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    Good,
    /// 503 by an instance, and by HAProxy.
    Unavailable,
    NoInstance,
    /// Any other 5xx.
    ServerError,
    /// Neither of these, nor what was expected.
    Refused,
    /// The connection ended, or no answer came in time.
    Silence,
}

/// One request that was sent, and how it ended.
pub struct Sample {
    pub at: Duration,
    pub took: Duration,
    pub kind: Kind,
    pub outcome: Outcome,
}

/// One thing that a client wanted, whatever number of requests it took.
pub struct Deed {
    pub at: Duration,
    pub took: Duration,
    pub kind: Kind,
}

pub struct Event {
    pub at: Duration,
    pub what: String,
    /// Whether clients could notice it.
    pub disturbs: bool,
}

/// An access token as a client got it.
#[derive(Clone)]
pub struct Token {
    pub text: Arc<str>,
    /// In revocations: those with the same number end together.
    pub family: u64,
    pub expires: Duration,
    pub next_check: Duration,
}

/// Resident memory of one instance at one moment, and for how long it had run.
pub struct Memory {
    pub at: Duration,
    pub instance: &'static str,
    pub age: Duration,
    pub mib: f64,
}

/// A kind of fault: how often, and the first ones in words.
#[derive(Clone, Default)]
pub struct Faults {
    pub count: u32,
    pub examples: Vec<String>,
}

#[derive(Default)]
pub struct Book {
    pub samples: Vec<Sample>,
    pub deeds: Vec<Deed>,
    pub events: Vec<Event>,
    pub memory: Vec<Memory>,
    pub live: Vec<Token>,
    /// Families whose revocation was asked for, and when it was answered.
    pub revoked: HashMap<u64, Option<Duration>>,
    pub issued: u32,
    pub checks: u32,
    pub expired: u32,
    /// From the answer of a revocation until an API refused the token: one that follows changes, one that reads lists.
    pub followed: Vec<Duration>,
    pub read: Vec<Duration>,
    pub unverified: Faults,
    pub lost: Faults,
    pub unrevoked: Faults,
    pub wrong: Faults,
    pub mishaps: Faults,
}

pub struct Ledger {
    began: Instant,
    ended: AtomicBool,
    book: Mutex<Book>,
}

impl Ledger {
    /// The soak begins.
    pub fn new() -> Self {
        Self { began: Instant::now(), ended: AtomicBool::new(false), book: Mutex::new(Book::default()) }
    }

    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits for a time.
    pub async fn reach(&self, time: Duration) {
        sleep_until(self.began + time).await;
    }

    /// Nobody is to begin anything from now on.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// No task panics with it in hand; if one did, what it wrote would still count.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that was done to the issuer, begun at `at`.
    pub fn event(&self, at: Duration, what: impl Into<String>, disturbs: bool) {
        let what = what.into();
        eprintln!("soak: {:>4} s: {what}", at.as_secs());
        self.book().events.push(Event { at, what, disturbs });
    }
}

impl Faults {
    pub fn add(&mut self, at: Duration, what: impl std::fmt::Display) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            let text = format!("at {:.1} s: {what}", at.as_secs_f64());
            eprintln!("soak: fault {text}");
            self.examples.push(text);
        }
    }
}

impl Book {
    pub fn is_revoked(&self, family: u64) -> bool {
        self.revoked.contains_key(&family)
    }
}
