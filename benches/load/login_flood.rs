//! More logins at once than the machine can hash: how many get through, how soon the others are told to come back, and
//! what everybody else feels of it meanwhile.
//!
//! The logins are right ones, from an address each, with the brake on. Whoever is refused waits as long as it is told to, or,
//! where that is asked for, not at all.

use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::Connection;
use crate::conversation::Conversation;
use crate::drive::outcome;
use crate::failure::Failure;
use crate::histogram::Histogram;
use crate::instance::Instance;
use crate::processors;

/// Until the next attempt after an answer that does not say.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(2);
/// From one refresh, or fetch of the key set, to the next: often enough for a p99, and too seldom to take the processors
/// from hashing.
const PAUSE: Duration = Duration::from_millis(100);
const REFUSED_IN_TIME: Duration = Duration::from_millis(100);
const SERVED_IN_TIME: Duration = Duration::from_millis(50);
const RESIDENT_TARGET_MIB: f64 = 40.0;
const MIB_OF_A_WORKER: f64 = 19.0;
const RATE_TARGET: f64 = 0.95;

/// What those who are refused do.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Manners {
    /// They wait as `Retry-After` says.
    Wait,
    /// They ask again at once.
    Insist,
}

pub struct Flood {
    connections: usize,
    manners: Manners,
    workers: usize,
    bare_per_second: f64,
    logins_per_second: f64,
    refused: Histogram,
    refresh: Histogram,
    jwks: Histogram,
    resident_mib: f64,
    errors: Vec<String>,
}

#[derive(Default)]
struct Tally {
    logins: u32,
    errors: Vec<String>,
}

/// One thread a processor of signet's, each with a block of its own, and nothing else: the most that they hash.
fn bare_rate(threads: usize, measured: Duration) -> Result<f64, Failure> {
    let hash = move || {
        processors::join_signet()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
        let mut memory = vec![Block::default(); argon2.params().block_count()];
        let (mut out, mut hashes) = ([0; 32], 0_u32);
        let end = std::time::Instant::now() + measured;
        while std::time::Instant::now() < end {
            let done = argon2.hash_password_into_with_memory(b"password", b"a salt of 16 by.", &mut out, &mut memory);
            done.expect("the parameters are sound");
            hashes += 1;
        }
        Ok(hashes)
    };
    let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(hash)).collect();
    let hashes = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0)));
    let hashes: u32 = hashes.sum::<Result<u32, Failure>>()?;
    Ok(f64::from(hashes) / measured.as_secs_f64())
}

/// The bare rate is measured before and after, for the machine drifts.
pub async fn measure(
    signet: &Instance,
    (connections, manners): (usize, Manners),
    measured: Duration,
) -> Result<Flood, Failure> {
    let workers = processors::number();
    let address = signet.server.address;
    let sessions = signet.sessions(2).await?;
    let before = bare_rate(workers, measured / 4)?;
    let begin = Instant::now() + WARM_UP;
    let window = (begin, begin + measured);
    let mut logins = JoinSet::new();
    for number in 0..connections {
        logins.spawn(log_in(Connection::new(address), signet.logins(number), window, manners));
    }
    let mut probes = JoinSet::new();
    for session in sessions {
        probes.spawn(probe(Connection::new(address), session, window, true));
    }
    probes.spawn(probe(Connection::new(address), signet.jwks(), window, false));
    sleep_until(window.1).await;
    let resident_mib = signet.server.supervised.process().resident_mib()?;
    let mut flood = Flood {
        connections,
        manners,
        workers,
        bare_per_second: 0.0,
        logins_per_second: 0.0,
        refused: Histogram::new(),
        refresh: Histogram::new(),
        jwks: Histogram::new(),
        resident_mib,
        errors: Vec::new(),
    };
    let mut completed = 0;
    while let Some(Ok((tally, refused))) = logins.join_next().await {
        completed += tally.logins;
        flood.refused.merge(&refused);
        flood.errors.extend(tally.errors);
    }
    while let Some(Ok((latencies, is_refresh, errors))) = probes.join_next().await {
        if is_refresh {
            flood.refresh.merge(&latencies)
        } else {
            flood.jwks.merge(&latencies)
        }
        flood.errors.extend(errors);
    }
    flood.logins_per_second = f64::from(completed) / measured.as_secs_f64();
    flood.bare_per_second = f64::midpoint(before, bare_rate(workers, measured / 4)?);
    Ok(flood)
}

async fn log_in(
    mut connection: Connection,
    login: Conversation,
    (begin, end): (Instant, Instant),
    manners: Manners,
) -> (Tally, Histogram) {
    let (mut tally, mut refused) = (Tally::default(), Histogram::new());
    while Instant::now() < end {
        let sent = Instant::now();
        let answer = connection.exchange(login.request()).await.map(|answer| (answer.status, answer.retry_after));
        let answered = Instant::now();
        let counts = answered >= begin && answered < end;
        match answer {
            Ok((200, _)) => tally.logins += u32::from(counts),
            Ok((429 | 503, Some(retry_after))) => {
                if counts {
                    refused.record(answered - sent);
                }
                if manners == Manners::Wait {
                    sleep(retry_after).await;
                }
            }
            other => {
                tally.errors.push(format!("a login: {other:?}"));
                sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
    (tally, refused)
}

async fn probe(
    mut connection: Connection,
    mut conversation: Conversation,
    (begin, end): (Instant, Instant),
    is_refresh: bool,
) -> (Histogram, bool, Vec<String>) {
    let (mut latencies, mut errors) = (Histogram::new(), Vec::new());
    while Instant::now() < end {
        let sent = Instant::now();
        let answer = outcome(&mut connection, &mut conversation).await;
        match answer {
            Ok(()) if sent >= begin => latencies.record(sent.elapsed()),
            Ok(()) => {}
            Err(error) => errors.push(error),
        }
        sleep(PAUSE).await;
    }
    (latencies, is_refresh, errors)
}

impl Flood {
    pub fn errors(&self) -> usize {
        self.errors.len()
    }

    fn resident_target(&self) -> f64 {
        RESIDENT_TARGET_MIB + MIB_OF_A_WORKER * f64::from(u32::try_from(self.workers).unwrap_or(u32::MAX))
    }

    pub fn markdown(&self) -> String {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let p99 = |histogram: &Histogram| histogram.quantile(0.99);
        let verdict = |met: bool| if met { "met" } else { "**missed**" };
        let Self { connections, workers, bare_per_second, logins_per_second, resident_mib, .. } = self;
        let rate = logins_per_second / bare_per_second;
        let apart =
            processors::of_signet().map(|list| format!(", signet alone on processor {list}")).unwrap_or_default();
        let insist = if self.manners == Manners::Insist { " that do not wait as they are told" } else { "" };
        let mut lines =
            vec![format!("Login flood: {connections} logins at once{insist}, {workers} password workers{apart}\n")];
        lines.push(format!(
            "- {logins_per_second:.0} logins/s: {:.0} % of bare Argon2id, {bare_per_second:.0}/s (target: at least {:.0} \
             %, {})",
            rate * 100.0,
            RATE_TARGET * 100.0,
            verdict(rate >= RATE_TARGET)
        ));
        lines.push(format!(
            "- RSS {resident_mib:.1} MiB (target: under {:.0} MiB, {})",
            self.resident_target(),
            verdict(*resident_mib < self.resident_target())
        ));
        for (what, histogram, bound) in [
            ("told to come back", &self.refused, REFUSED_IN_TIME),
            ("refresh", &self.refresh, SERVED_IN_TIME),
            ("JWKS", &self.jwks, SERVED_IN_TIME),
        ] {
            lines.push(format!(
                "- {what}: {} times, p50 {:.1} ms, p99 {:.1} ms (target: p99 under {:.0} ms, {})",
                histogram.total(),
                ms(histogram.quantile(0.5)),
                ms(p99(histogram)),
                ms(bound),
                verdict(p99(histogram) < bound)
            ));
        }
        if let Some(first) = self.errors.first() {
            lines.push(format!("- {} errors, the first: {first}", self.errors.len()));
        }
        lines.join("\n")
    }

    pub fn json(&self) -> Value {
        let p99 = |histogram: &Histogram| histogram.quantile(0.99).as_secs_f64() * 1e3;
        json!({
            "connections": self.connections,
            "wait_as_told": self.manners == Manners::Wait,
            "password_workers": self.workers,
            "bare_argon2_per_second": self.bare_per_second,
            "logins_per_second": self.logins_per_second,
            "resident_mib": self.resident_mib,
            "refused": self.refused.total(),
            "refused_p99_ms": p99(&self.refused),
            "refresh_p99_ms": p99(&self.refresh),
            "jwks_p99_ms": p99(&self.jwks),
            "errors": self.errors.len(),
        })
    }
}
