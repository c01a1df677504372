//! What the soak promises, and whether it was kept.

use std::time::Duration;

use crate::checker::{FOLLOWED_WITHIN, READ_WITHIN};
use crate::ledger::{Book, Faults};
use crate::options::{Broken, Options};

/// By how much the witness's memory may differ between the third minute and the last.
const MEMORY_TOLERANCE: f64 = 0.05;
/// A shorter soak has no third minute in which everything has happened once.
const MEMORY_JUDGED_FROM: u64 = 600;

pub struct Verdict {
    pub statement: &'static str,
    /// `None` where it was not judged.
    pub kept: Option<bool>,
    pub evidence: String,
    pub faults: Faults,
}

/// Mean memory of the witness, in MiB, in the third of ten parts and in the last.
pub struct Flatness {
    pub third: f64,
    pub last: f64,
}

impl Flatness {
    pub fn of(book: &Book, length: Duration) -> Self {
        let mean = |from: f64, to: f64| {
            let (from, to) = (length.mul_f64(from), length.mul_f64(to));
            let within =
                book.memory.iter().filter(|memory| memory.instance == "witness" && (from..to).contains(&memory.at));
            let (sum, count) = within.fold((0.0, 0_u32), |(sum, count), memory| (sum + memory.mib, count + 1));
            sum / f64::from(count)
        };
        Self { third: mean(0.2, 0.3), last: mean(0.9, 1.0) }
    }
}

/// Every statement, in the order of the report.
pub fn all(book: &Book, options: &Options) -> Vec<Verdict> {
    let none = Faults::default();
    let verdict =
        |statement, kept, evidence, faults: &Faults| Verdict { statement, kept, evidence, faults: faults.clone() };
    let happened = |what: &str| book.events.iter().filter(|event| event.what.contains(what)).count();
    let [kills, starts, rotations, restarts, failovers] =
        ["killed", "started, ready", "rotated", "restarted", "failed over"].map(happened);
    let memory = Flatness::of(book, Duration::from_secs(options.seconds));
    let change = memory.last / memory.third - 1.0;
    let (tolerance, judged) = match options.broken {
        Some(Broken::Memory) => (-1.0, true),
        _ => (MEMORY_TOLERANCE, options.seconds >= MEMORY_JUDGED_FROM),
    };
    let seconds = Duration::as_secs;
    vec![
        verdict(
            "Everything that was to happen happened",
            Some(kills > 0 && kills == starts && rotations > 0 && restarts == 2 && failovers == 1),
            format!(
                "{kills} instances killed and {starts} started again, {rotations} rotations, {restarts} restarts and \
                 {failovers} failover of PostgreSQL"
            ),
            &none,
        ),
        verdict(
            "No token that was issued fails to verify",
            Some(book.unverified.count == 0 && book.issued > 0 && book.checks >= 2 * book.issued / 3),
            format!(
                "{} tokens, verified {} times; {} followed to their end; {} faults",
                book.issued, book.checks, book.expired, book.unverified.count
            ),
            &book.unverified,
        ),
        verdict(
            "What was revoked is refused",
            Some(book.unrevoked.count == 0 && !book.followed.is_empty()),
            format!(
                "by introspection at once, by an API that follows changes within {} s, by one that reads lists within {} s; \
                 {} revocations, {} faults",
                seconds(&FOLLOWED_WITHIN),
                seconds(&READ_WITHIN),
                book.revoked.len(),
                book.unrevoked.count
            ),
            &book.unrevoked,
        ),
        verdict(
            "No session is lost",
            Some(book.lost.count == 0),
            format!(
                "{} sessions at a time; {} lost, or refused something they were entitled to",
                options.sessions, book.lost.count
            ),
            &book.lost,
        ),
        verdict(
            "Every 5xx is a 503",
            Some(book.wrong.count == 0),
            format!("{} answers with another 5xx", book.wrong.count),
            &book.wrong,
        ),
        verdict(
            "Memory is flat",
            judged.then_some(change.abs() <= tolerance),
            format!(
                "the witness had {:.1} MiB in the third tenth, {:.1} in the last: {:+.1} % (bound: {:.0} %)",
                memory.third,
                memory.last,
                change * 100.0,
                MEMORY_TOLERANCE * 100.0
            ),
            &none,
        ),
    ]
}
