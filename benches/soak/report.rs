//! The report, in Markdown: verdicts, then what they rest on.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::histogram::Histogram;
use crate::ledger::{Book, Event, Kind, Ledger, Outcome};
use crate::options::Options;
use crate::verdict::{self, Verdict};

/// How long after an event its latencies are looked at, at most.
const AFTERMATH: Duration = Duration::from_secs(10);
/// Ages at which an instance that was started again is compared with its earlier lives, in seconds.
const COMPARED_AGE: std::ops::Range<u64> = 20..27;

const KINDS: [(Kind, &str); 7] = [
    (Kind::ClientCredentials, "client_credentials"),
    (Kind::Password, "password"),
    (Kind::Refresh, "refresh_token"),
    (Kind::Introspection, "introspection"),
    (Kind::Revocation, "revocation"),
    (Kind::KeySet, "key set"),
    (Kind::StatusList, "status list"),
];

pub struct Report {
    verdicts: Vec<Verdict>,
    text: String,
}

impl Report {
    pub fn of(ledger: &Ledger, options: &Options, machine: &Value, postgres: &str) -> Self {
        let book = ledger.book();
        let verdicts = verdict::all(&book, options);
        let mut text = format!(
            "## Soak of {} s\n\n{} cores, {}; load average before: {}; {postgres}, a primary and a synchronous standby.\n\n",
            options.seconds,
            machine["cores"],
            machine["processor"].as_str().unwrap_or_default(),
            machine["load_average_before"],
        );
        for verdict in &verdicts {
            let word = match verdict.kept {
                Some(true) => "PASS",
                Some(false) => "**FAIL**",
                None => "not judged (shorter than ten minutes)",
            };
            let _ = writeln!(text, "- {word}: {}. {}.", verdict.statement, verdict.evidence);
            for example in &verdict.faults.examples {
                let _ = writeln!(text, "  - {example}");
            }
        }
        text.push_str(&answers(&book));
        text.push_str(&events(&book));
        text.push_str(&revocations(&book));
        text.push_str(&memory(&book, options));
        if book.mishaps.count > 0 {
            let _ = writeln!(
                text,
                "\n### Mishaps, which clients and commands got over\n\n{} in all; the first:\n",
                book.mishaps.count
            );
            for example in &book.mishaps.examples {
                let _ = writeln!(text, "- {}", example.replace('\n', " "));
            }
        }
        Self { verdicts, text }
    }

    pub fn markdown(&self) -> &str {
        &self.text
    }

    pub fn passes(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.kept != Some(false))
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn histogram(durations: impl Iterator<Item = Duration>) -> Histogram {
    let mut histogram = Histogram::new();
    durations.for_each(|duration| histogram.record(duration));
    histogram
}

/// What was asked and what came of it. Latencies are of the whole wish, with all its attempts and pauses.
fn answers(book: &Book) -> String {
    let mut text = "\n### Answers\n\n| request | sent | 200 | 503, an instance's | 503, HAProxy's | other 5xx | refused | no answer | \
                    served | p50 ms | p99 ms | longest ms |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let mut line = |name: &str, of: &dyn Fn(Kind) -> bool| {
        let count = |outcome| book.samples.iter().filter(|sample| of(sample.kind) && sample.outcome == outcome).count();
        let latencies = histogram(book.deeds.iter().filter(|deed| of(deed.kind)).map(|deed| deed.took));
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {:.1} | {:.0} |",
            book.samples.iter().filter(|sample| of(sample.kind)).count(),
            count(Outcome::Good),
            count(Outcome::Unavailable),
            count(Outcome::NoInstance),
            count(Outcome::ServerError),
            count(Outcome::Refused),
            count(Outcome::Silence),
            latencies.total(),
            ms(latencies.quantile(0.5)),
            ms(latencies.quantile(0.99)),
            ms(latencies.quantile(1.0)),
        );
    };
    for (kind, name) in KINDS {
        line(name, &|other| other == kind);
    }
    line("**together**", &|_| true);
    text
}

/// The timeline, and for what clients could notice: how much failed until the next such event, for how long, and how slow it
/// was.
fn events(book: &Book) -> String {
    let mut events: Vec<&Event> = book.events.iter().collect();
    events.sort_by_key(|event| event.at);
    let mut text = "\n### Events\n\n| at | event | attempts that failed | the last one after | p50 ms | p99 ms |\n\
                    |--:|---|--:|--:|--:|--:|\n"
        .to_owned();
    for (place, event) in events.iter().enumerate() {
        let at = event.at.as_secs();
        if !event.disturbs {
            let _ = writeln!(text, "| {at} s | {} | | | | |", event.what);
            continue;
        }
        let next = events[place + 1..].iter().find(|next| next.disturbs).map_or(Duration::MAX, |next| next.at);
        // An answer belongs to the event that it came after, not to the one that it was sent before.
        let failed = book.samples.iter().filter(|sample| sample.outcome != Outcome::Good);
        let failed = failed.map(|sample| sample.at + sample.took).filter(|ended| (event.at..next).contains(ended));
        let (count, last) = failed.fold((0_u32, Duration::ZERO), |(count, last), ended| (count + 1, last.max(ended)));
        let until = next.min(event.at + AFTERMATH);
        let near = book.deeds.iter().filter(|deed| deed.at + deed.took >= event.at && deed.at < until);
        let latencies = histogram(near.map(|deed| deed.took));
        let _ = writeln!(
            text,
            "| {at} s | {} | {count} | {:.1} s | {:.1} | {:.1} |",
            event.what,
            last.saturating_sub(event.at).as_secs_f64(),
            ms(latencies.quantile(0.5)),
            ms(latencies.quantile(0.99)),
        );
    }
    text
}

fn revocations(book: &Book) -> String {
    let mut text = "\n### Revocations: from the answer until an API refuses\n\n| an API that … | tokens | p50 s | p99 s | longest s |\n\
                    |---|--:|--:|--:|--:|\n"
        .to_owned();
    for (name, known) in [("follows changes", &book.followed), ("reads lists", &book.read)] {
        let latencies = histogram(known.iter().copied());
        let seconds = |share| latencies.quantile(share).as_secs_f64();
        let total = latencies.total();
        let _ =
            writeln!(text, "| {name} | {total} | {:.2} | {:.2} | {:.2} |", seconds(0.5), seconds(0.99), seconds(1.0));
    }
    text.push_str("\n(APIs are asked each quarter of a second, so less than that cannot be told.)\n");
    text
}

fn memory(book: &Book, options: &Options) -> String {
    let mean = |of: &dyn Fn(&crate::ledger::Memory) -> bool| {
        let chosen = book.memory.iter().filter(|memory| of(memory));
        let (sum, count) = chosen.fold((0.0, 0_u32), |(sum, count), memory| (sum + memory.mib, count + 1));
        if count == 0 { "–".to_owned() } else { format!("{:.1}", sum / f64::from(count)) }
    };
    let length = Duration::from_secs(options.seconds);
    let mut text = format!(
        "\n### Resident memory, MiB\n\nBy tenths of the time; instances a and b when they had run for {} to {} s.\n\n\
         | tenth | witness | a and b |\n|--:|--:|--:|\n",
        COMPARED_AGE.start, COMPARED_AGE.end
    );
    for tenth in 1..=10_u32 {
        let (from, to) = (length * (tenth - 1) / 10, length * tenth / 10);
        let witness = mean(&|memory| memory.instance == "witness" && (from..to).contains(&memory.at));
        let killed = mean(&|memory| {
            let comparable = COMPARED_AGE.contains(&memory.age.as_secs());
            memory.instance != "witness" && comparable && (from..to).contains(&memory.at)
        });
        let _ = writeln!(text, "| {tenth} | {witness} | {killed} |");
    }
    text
}
