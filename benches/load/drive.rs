//! One measured run: every connection sends its next request when its last one is answered (a closed loop), first to
//! warm up, then counted.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::{Connection, ExchangeError};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::histogram::Histogram;
use crate::process::Process;

const WARM_UP: Duration = Duration::from_secs(1);
/// How long the answer to a request sent before the end is waited for.
const GRACE: Duration = Duration::from_secs(10);
/// A connection that fails this often in a row gives up: what it would add is load, not information.
const FAILURES_IN_A_ROW: u32 = 10;

pub struct Measurement {
    pub requests_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_us_per_request: f64,
    pub resident_mib: f64,
    pub errors: u32,
    pub first_error: Option<String>,
}

struct Tally {
    latencies: Histogram,
    errors: u32,
    first_error: Option<String>,
}

#[derive(Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// Runs the `conversations` side by side, each on its own connection to `address`, for `measured` after the warm-up.
///
/// Requests and processor time are counted in the measured time alone, errors from the start.
pub async fn drive(
    address: SocketAddr,
    process: &Process,
    conversations: Vec<Conversation>,
    measured: Duration,
) -> Result<Measurement, Failure> {
    let begin = Instant::now() + WARM_UP;
    let window = Window { begin, end: begin + measured };
    let mut tasks = JoinSet::new();
    for conversation in conversations {
        tasks.spawn(converse(address, conversation, window));
    }
    sleep_until(window.begin).await;
    let used_before = process.processor_time()?;
    sleep_until(window.end).await;
    let used = process.processor_time()?.saturating_sub(used_before);
    let mut whole = Tally::new();
    while let Ok(Some(ended)) = timeout_at(window.end + GRACE, tasks.join_next()).await {
        let tally = ended.map_err(|error| Failure::io("a connection's task")(error.into()))?;
        whole.latencies.merge(&tally.latencies);
        whole.errors += tally.errors;
        whole.first_error = whole.first_error.or(tally.first_error);
    }
    for _ in 0..tasks.len() {
        whole.fail(format!("no answer within {} s of the end", GRACE.as_secs()));
    }
    let requests = f64::from(whole.latencies.total());
    Ok(Measurement {
        requests_per_second: requests / measured.as_secs_f64(),
        p50_ms: whole.latencies.quantile(0.50).as_secs_f64() * 1e3,
        p99_ms: whole.latencies.quantile(0.99).as_secs_f64() * 1e3,
        cpu_us_per_request: used.as_secs_f64() * 1e6 / requests.max(1.0),
        resident_mib: process.resident_mib()?,
        errors: whole.errors,
        first_error: whole.first_error,
    })
}

async fn converse(address: SocketAddr, mut conversation: Conversation, window: Window) -> Tally {
    let mut connection = Connection::new(address);
    let mut tally = Tally::new();
    let mut failures_in_a_row = 0;
    let mut sent = Instant::now();
    while sent < window.end && failures_in_a_row < FAILURES_IN_A_ROW {
        let outcome = outcome(&mut connection, &mut conversation).await;
        let answered = Instant::now();
        match outcome {
            Ok(()) => {
                failures_in_a_row = 0;
                if answered >= window.begin && answered < window.end {
                    tally.latencies.record(answered - sent);
                }
            }
            Err(error) => {
                failures_in_a_row += 1;
                tally.fail(error);
            }
        }
        sent = answered;
    }
    tally
}

/// Why an exchange was not a good one, for people.
pub async fn outcome(connection: &mut Connection, conversation: &mut Conversation) -> Result<(), String> {
    let answer = connection.exchange(conversation.request()).await.map_err(|error: ExchangeError| error.to_string())?;
    if conversation.accepts(&answer) {
        return Ok(());
    }
    Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(answer.body)))
}

impl Tally {
    fn new() -> Self {
        Self { latencies: Histogram::new(), errors: 0, first_error: None }
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}
