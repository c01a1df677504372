//! Clients that hold connections and do next to nothing with them: what everybody else feels of two thousand of these.
//!
//! They are silent, send one byte of a head or of a body a second, or ask a lot and take one byte of the answers a second.
//! Whoever is cut off comes back at once. Honest requests are timed without and with them, by turns: the machine drifts.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{self, Connection};
use crate::conversation::Conversation;
use crate::drive::outcome;
use crate::failure::Failure;
use crate::histogram::Histogram;
use crate::instance::Instance;

const ROUNDS: usize = 3;
/// At least, of a round with them and of one without.
const LEAST: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(2);
/// From one honest request on a connection to the next.
const PAUSE: Duration = Duration::from_millis(10);
/// From one byte of a slow client to the next.
const DRIBBLE: Duration = Duration::from_secs(1);
/// How long all of them may take to connect.
const GATHERING: Duration = Duration::from_secs(60);
const RATIO_TARGET: f64 = 2.0;
/// What is asked, by whom two connections each do.
const HONEST: [&str; 3] = ["client_credentials", "refresh", "JWKS"];

pub struct SlowClients {
    clients: usize,
    /// Of each kind of request and round: p99 without and with them, in milliseconds.
    p99_ms: [Vec<(f64, f64)>; HONEST.len()],
    errors: Vec<String>,
}

/// Starts signet with the default bounds on SQLite, in `folder`.
pub async fn measure(folder: &Path, clients: usize, measured: Duration) -> Result<SlowClients, Failure> {
    let measured = measured.max(LEAST);
    raise_open_files();
    let signet = Instance::start(&folder.join("signet"), None, 4, 1).await?;
    let mut figures = SlowClients { clients, p99_ms: Default::default(), errors: Vec::new() };
    for round in 1..=ROUNDS {
        let without = honest(&signet, measured, &mut figures.errors).await?;
        let connected = Arc::new(AtomicUsize::new(0));
        let mut slow = JoinSet::new();
        for number in 0..clients {
            slow.spawn(dribble(signet.server.address, number, connected.clone()));
        }
        let began = Instant::now();
        while connected.load(Ordering::Relaxed) < clients && began.elapsed() < GATHERING {
            sleep(Duration::from_millis(20)).await;
        }
        if connected.load(Ordering::Relaxed) < clients {
            figures.errors.push(format!("only {} slow clients are connected", connected.load(Ordering::Relaxed)));
        }
        let with = honest(&signet, measured, &mut figures.errors).await?;
        slow.shutdown().await;
        for ((rounds, without), with) in figures.p99_ms.iter_mut().zip(without).zip(with) {
            rounds.push((without, with));
        }
        eprintln!("slow clients: round {round} of {ROUNDS}");
        // Until the server has noticed that they are gone.
        sleep(WARM_UP).await;
    }
    Ok(figures)
}

/// Both ends of each connection are files of this machine; these are ours.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it cannot be raised, the clients that find no file are reported.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// p99 of each kind, in milliseconds.
async fn honest(
    signet: &Instance,
    measured: Duration,
    errors: &mut Vec<String>,
) -> Result<[f64; HONEST.len()], Failure> {
    let own = signet.client_credentials("ES256").await?;
    let mut conversations = vec![(0, own.clone()), (0, own), (2, signet.jwks()), (2, signet.jwks())];
    conversations.extend(signet.sessions(2).await?.into_iter().map(|session| (1, session)));
    let begin = Instant::now() + WARM_UP;
    let window = (begin, begin + measured);
    let mut probes = JoinSet::new();
    for (kind, conversation) in conversations {
        let connection = Connection::new(signet.server.address);
        probes.spawn(async move { (kind, probe(connection, conversation, window).await) });
    }
    let mut latencies: [Histogram; HONEST.len()] = std::array::from_fn(|_| Histogram::new());
    while let Some(Ok((kind, (histogram, failed)))) = probes.join_next().await {
        latencies[kind].merge(&histogram);
        errors.extend(failed);
    }
    Ok(latencies.map(|histogram| histogram.quantile(0.99).as_secs_f64() * 1e3))
}

async fn probe(
    mut connection: Connection,
    mut conversation: Conversation,
    (begin, end): (Instant, Instant),
) -> (Histogram, Vec<String>) {
    let (mut latencies, mut errors) = (Histogram::new(), Vec::new());
    while Instant::now() < end {
        let sent = Instant::now();
        match outcome(&mut connection, &mut conversation).await {
            Ok(()) if sent >= begin => latencies.record(sent.elapsed()),
            Ok(()) => {}
            Err(error) => errors.push(error),
        }
        sleep(PAUSE).await;
    }
    (latencies, errors)
}

/// One slow client, for ever.
async fn dribble(address: SocketAddr, number: usize, connected: Arc<AtomicUsize>) {
    // Not all at the same moment.
    sleep(Duration::from_micros(number as u64 * 500)).await;
    loop {
        let Ok(stream) = TcpStream::connect(address).await else {
            sleep(DRIBBLE).await;
            continue;
        };
        connected.fetch_add(1, Ordering::Relaxed);
        // However it ends, the client comes back.
        let _ = dawdle(stream, address, number).await;
        connected.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn dawdle(mut stream: TcpStream, address: SocketAddr, number: usize) -> std::io::Result<()> {
    let post = format!("POST /oauth2/token HTTP/1.1\r\nHost: {address}\r\n");
    let (start, byte) = match number % 4 {
        0 => (Vec::new(), None),
        1 => (format!("{post}X-Slow: ").into_bytes(), Some(b'x')),
        2 => {
            let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n";
            (format!("{post}{form}").into_bytes(), Some(b'x'))
        }
        _ => (client::fetch(address, "/.well-known/jwks.json").repeat(50), None),
    };
    let is_reader = number % 4 == 3;
    // Asks for more than fits between the two; what does not is sent by nobody.
    stream.write_all(&start).await?;
    let mut one = [0];
    loop {
        sleep(DRIBBLE).await;
        if let Some(byte) = byte {
            stream.write_all(&[byte]).await?;
        }
        if is_reader {
            stream.read_exact(&mut one).await?;
        } else if let Ok(read) = timeout(Duration::from_millis(1), stream.read(&mut one)).await
            && read? == 0
        {
            return Ok(());
        }
    }
}

impl SlowClients {
    pub fn errors(&self) -> usize {
        self.errors.len()
    }

    /// Medians: p99 without, with, and how many times as much it is with them.
    fn medians(&self, kind: usize) -> (f64, f64, f64) {
        let median = |value: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = self.p99_ms[kind].iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        (median(|(without, _)| *without), median(|(_, with)| *with), median(|(without, with)| with / without))
    }

    pub fn markdown(&self) -> String {
        let mut lines = vec![
            format!("Slow clients: p99 of honest requests without and with {} of them\n", self.clients),
            "| request | p99 without, ms | p99 with, ms | times as much |".to_owned(),
            "|---|---|---|---|".to_owned(),
        ];
        for (kind, title) in HONEST.iter().enumerate() {
            let (without, with, ratio) = self.medians(kind);
            let verdict = if ratio <= RATIO_TARGET { "met" } else { "**missed**" };
            lines.push(format!(
                "| {title} | {without:.2} | {with:.2} | {ratio:.2} (target: {RATIO_TARGET}, {verdict}) |"
            ));
        }
        if let Some(first) = self.errors.first() {
            lines.push(format!("\n- {} errors, the first: {first}", self.errors.len()));
        }
        lines.join("\n")
    }

    pub fn json(&self) -> Value {
        let kinds: serde_json::Map<_, _> =
            HONEST.iter().zip(&self.p99_ms).map(|(title, rounds)| ((*title).to_owned(), json!(rounds))).collect();
        json!({ "clients": self.clients, "p99_ms_without_and_with": kinds, "errors": self.errors.len() })
    }
}
