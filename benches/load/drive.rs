//! One measured run: every connection sends its next request when its last one is answered (a closed loop), first to
//! warm up, then counted.

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
    /// Good answers from the start on, those of the warm-up among them.
    pub answered: u32,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Of all servers together.
    pub cpu_us_per_request: f64,
    /// Of the database server with its children, where it was asked for.
    pub database_us_per_request: f64,
    /// Of the largest server.
    pub resident_mib: f64,
    pub errors: u32,
    pub first_error: Option<String>,
}

struct Tally {
    latencies: Histogram,
    answered: u32,
    errors: u32,
    first_error: Option<String>,
}

#[derive(Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// Whose processor time is taken.
pub struct Processes<'a> {
    pub servers: Vec<&'a Process>,
    pub database: Option<&'a Process>,
}

impl Processes<'_> {
    /// Of the servers, and of the database.
    fn times(&self) -> Result<(Duration, Duration), Failure> {
        let servers = self.servers.iter().map(|server| server.processor_time()).sum::<Result<_, _>>()?;
        let database = self.database.map_or(Ok(Duration::ZERO), Process::processor_time_with_children)?;
        Ok((servers, database))
    }
}

/// Runs the `conversations` side by side, each on its own connection, for `measured` after the warm-up.
///
/// Requests and processor time are counted in the measured time alone, errors from the start.
pub async fn drive(
    processes: Processes<'_>,
    conversations: Vec<Conversation>,
    measured: Duration,
) -> Result<Measurement, Failure> {
    let begin = Instant::now() + WARM_UP;
    let window = Window { begin, end: begin + measured };
    let mut tasks = JoinSet::new();
    for conversation in conversations {
        tasks.spawn(converse(conversation, window));
    }
    sleep_until(window.begin).await;
    let before = processes.times()?;
    sleep_until(window.end).await;
    let after = processes.times()?;
    let mut whole = Tally::new();
    while let Ok(Some(ended)) = timeout_at(window.end + GRACE, tasks.join_next()).await {
        let tally = ended.map_err(|error| Failure::io("a connection's task")(error.into()))?;
        whole.latencies.merge(&tally.latencies);
        whole.answered += tally.answered;
        whole.errors += tally.errors;
        whole.first_error = whole.first_error.or(tally.first_error);
    }
    for _ in 0..tasks.len() {
        whole.fail(format!("no answer within {} s of the end", GRACE.as_secs()));
    }
    let requests = f64::from(whole.latencies.total());
    let us_per_request =
        |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / requests.max(1.0);
    let resident = processes.servers.iter().map(|server| server.resident_mib()).collect::<Result<Vec<_>, _>>()?;
    Ok(Measurement {
        requests_per_second: requests / measured.as_secs_f64(),
        answered: whole.answered,
        p50_ms: whole.latencies.quantile(0.50).as_secs_f64() * 1e3,
        p99_ms: whole.latencies.quantile(0.99).as_secs_f64() * 1e3,
        cpu_us_per_request: us_per_request(before.0, after.0),
        database_us_per_request: us_per_request(before.1, after.1),
        resident_mib: resident.into_iter().fold(0.0, f64::max),
        errors: whole.errors,
        first_error: whole.first_error,
    })
}

async fn converse(mut conversation: Conversation, window: Window) -> Tally {
    let mut connection = Connection::new(conversation.address);
    let mut tally = Tally::new();
    let mut failures_in_a_row = 0;
    let mut sent = Instant::now();
    while sent < window.end && failures_in_a_row < FAILURES_IN_A_ROW {
        if conversation.request().is_empty() {
            tally.fail("there was too little to ask for the time".to_owned());
            break;
        }
        let outcome = outcome(&mut connection, &mut conversation).await;
        let answered = Instant::now();
        match outcome {
            Ok(()) => {
                failures_in_a_row = 0;
                tally.answered += 1;
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
        Self { latencies: Histogram::new(), answered: 0, errors: 0, first_error: None }
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}
