//! How a revocation travels, measured on two instances over one PostgreSQL: the time from its answer by one instance to its
//! event from the other, what idle listeners cost, and what the list of a million tokens weighs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant as Tick, sleep_until};

use crate::client::{self, Connection};
use crate::failure::Failure;
use crate::histogram::Histogram;
use crate::instance::Instance;
use crate::postgres::Cluster;

const PER_SECOND: u32 = 500;
const CONNECTIONS: u32 = 32;
const LISTENERS: usize = 1000;

/// Indexes that a list has, and how many of them are revoked: one in a hundred.
const ENTRIES: u32 = 1 << 20;
const REVOKED: u32 = ENTRIES / 100;

const LIST: &str = "/status-lists/1";
const CHANGES: &str = "/status-lists/1/changes";

type Moments = Rc<RefCell<HashMap<u64, Instant>>>;

pub struct Figures {
    /// From the answer of the revocation to the event at the other instance, and from its request.
    since_answer: Histogram,
    since_request: Histogram,
    revocations: u32,
    lost: u32,
    kib_per_listener: f64,
    plain: usize,
    gzip: usize,
    built_in: Duration,
    mib_of_list: f64,
}

pub async fn measure(folder: &Path, cluster: &Cluster, seconds: u64) -> Result<Figures, Failure> {
    let url = cluster.create_database("revocation").await?;
    let one = Instance::start(&folder.join("revocation"), Some(&url), 1, 0).await?;
    let two = one.another().await?;
    LocalSet::new().run_until(figures(&one, &two, cluster, seconds)).await
}

async fn figures(one: &Instance, two: &Instance, cluster: &Cluster, seconds: u64) -> Result<Figures, Failure> {
    let revocations = PER_SECOND * u32::try_from(seconds).unwrap_or(1);
    eprintln!("revocation: taking {revocations} tokens");
    let tokens = one.own_tokens(revocations).await?;
    let (sent, answered, arrived) = (Moments::default(), Moments::default(), Moments::default());
    let listening = tokio::task::spawn_local(record(listen(two.server.address).await?, arrived.clone()));
    let began = Instant::now();
    let tokens = Rc::new(RefCell::new(tokens.into_iter().enumerate()));
    let mut revoking = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (tokens, sent, answered) = (tokens.clone(), sent.clone(), answered.clone());
        let (address, authorization) = (one.server.address, one.authorization());
        revoking.spawn_local(async move {
            let mut connection = Connection::new(address);
            loop {
                let Some((number, token)) = tokens.borrow_mut().next() else { return Ok(()) };
                let due = Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX) / PER_SECOND;
                sleep_until(Tick::from_std(began + due)).await;
                let request = client::post(address, "/oauth2/revoke", &authorization, &[("token", &token)]);
                let index = index_of(&token)?;
                sent.borrow_mut().insert(index, Instant::now());
                let answer = connection.exchange(&request).await.map_err(|error| unexpected(error.to_string()))?;
                if answer.status != 200 {
                    return Err(unexpected(format!("status {}", answer.status)));
                }
                answered.borrow_mut().insert(index, Instant::now());
            }
        });
    }
    while let Some(outcome) = revoking.join_next().await {
        outcome.map_err(|error| unexpected(error.to_string()))??;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    listening.abort();
    let (mut since_answer, mut since_request, mut lost) = (Histogram::new(), Histogram::new(), 0);
    for (index, answered) in answered.borrow().iter() {
        match arrived.borrow().get(index) {
            Some(arrived) => {
                since_answer.record(arrived.saturating_duration_since(*answered));
                since_request.record(arrived.saturating_duration_since(sent.borrow()[index]));
            }
            None => lost += 1,
        }
    }
    let kib_per_listener = listeners(two).await?;
    let (plain, gzip, built_in, mib_of_list) = list(two, cluster, revocations.min(REVOKED / 2)).await?;
    Ok(Figures { since_answer, since_request, revocations, lost, kib_per_listener, plain, gzip, built_in, mib_of_list })
}

/// A connection to the change feed, behind the head of its answer and its first event.
async fn listen(address: SocketAddr) -> Result<Lines<BufReader<TcpStream>>, Failure> {
    let doing = || Failure::io("listening to the change feed");
    let mut stream = TcpStream::connect(address).await.map_err(doing())?;
    stream.write_all(&client::fetch(address, CHANGES)).await.map_err(doing())?;
    let mut lines = BufReader::with_capacity(1024, stream).lines();
    while let Some(line) = lines.next_line().await.map_err(doing())? {
        if line == "event: reset" {
            return Ok(lines);
        }
    }
    Err(unexpected("the feed ended".to_owned()))
}

/// Notes when each index is told to be revoked.
async fn record(mut lines: Lines<BufReader<TcpStream>>, arrived: Moments) {
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let now = Instant::now();
        let ranges: Value = serde_json::from_str(data).unwrap_or_default();
        for range in ranges["revoked"].as_array().into_iter().flatten() {
            let end = |place: usize| range[place].as_u64().unwrap_or_default();
            for index in end(0)..=end(1) {
                arrived.borrow_mut().entry(index).or_insert(now);
            }
        }
    }
}

async fn listeners(instance: &Instance) -> Result<f64, Failure> {
    eprintln!("revocation: {LISTENERS} listeners");
    let before = instance.server.supervised.process().resident_mib()?;
    let mut open = Vec::with_capacity(LISTENERS);
    for _ in 0..LISTENERS {
        open.push(listen(instance.server.address).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = instance.server.supervised.process().resident_mib()?;
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let each = (after - before) * 1024.0 / open.len() as f64;
    Ok(each)
}

/// Revokes one index in a hundred of a whole list, and fetches it: its size in both forms, the time that making it took
/// (the median of five times that one bit more was set), and by how much the process grew.
async fn list(
    instance: &Instance,
    cluster: &Cluster,
    revoked_already: u32,
) -> Result<(usize, usize, Duration, f64), Failure> {
    eprintln!("revocation: a list of {ENTRIES} entries");
    let process = instance.server.supervised.process();
    let address = instance.server.address;
    let (mut connection, request) = (Connection::new(address), client::fetch(address, LIST));
    let mut timed = async |request: &[u8]| {
        let began = Instant::now();
        let answer = connection.exchange(request).await.map_err(|error| unexpected(error.to_string()))?;
        Ok::<_, Failure>((answer.body.len(), began.elapsed()))
    };
    timed(&request).await?;
    let before = process.resident_mib()?;
    let mut made = Vec::new();
    let mut plain = 0;
    for ranges in [REVOKED - revoked_already, 1, 1, 1, 1] {
        revoke(cluster, ranges).await?;
        // It is read within a quarter of a second, and made when it is asked for.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (size, first) = timed(&request).await?;
        let (_, again) = timed(&request).await?;
        made.push(first.saturating_sub(again));
        plain = size;
    }
    made.sort_unstable();
    let gzip = format!("GET {LIST} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: gzip\r\n\r\n");
    let (gzip, _) = timed(gzip.as_bytes()).await?;
    Ok((plain, gzip, made[made.len() / 2], process.resident_mib()? - before))
}

/// Indexes here and there in the whole list.
async fn revoke(cluster: &Cluster, ranges: u32) -> Result<(), Failure> {
    let statements = format!(
        "BEGIN; UPDATE revisions SET revision = revision + 1 WHERE topic = 'revocations';
         INSERT INTO revocations (id, status_list_id, first_index, last_index, revoked_at, expires_at, revision)
         SELECT gen_random_uuid(), 1, place, place, now(), now() + interval '1 day',
            (SELECT revision FROM revisions WHERE topic = 'revocations')
         FROM (SELECT floor(random() * {ENTRIES})::bigint AS place FROM generate_series(1, {ranges})) places;
         COMMIT"
    );
    cluster.execute("revocation", &statements).await
}

fn index_of(token: &str) -> Result<u64, Failure> {
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
    let index = claims["status"]["status_list"]["idx"].as_u64();
    index.ok_or_else(|| unexpected("a token without a status".to_owned()))
}

fn unexpected(answer: String) -> Failure {
    Failure::Unexpected { request: "a revocation".into(), answer }
}

impl Figures {
    pub fn markdown(&self) -> String {
        let ms = |histogram: &Histogram, share| histogram.quantile(share).as_secs_f64() * 1000.0;
        let met = |met: bool| if met { "met" } else { "missed" };
        let mut text = "### Revocation, two instances on PostgreSQL\n\n".to_owned();
        let p99 = ms(&self.since_answer, 0.99);
        let _ = writeln!(
            text,
            "- {} revocations at {PER_SECOND}/s on one instance; known to the other after p50 {:.0} ms, p99 {p99:.0} ms, at \
             most {:.0} ms (target: p99 under 250 ms, {}); from the request on p99 {:.0} ms; {} lost",
            self.revocations,
            ms(&self.since_answer, 0.5),
            ms(&self.since_answer, 1.0),
            met(p99 < 250.0),
            ms(&self.since_request, 0.99),
            self.lost,
        );
        let _ = writeln!(
            text,
            "- {LISTENERS} idle listeners: {:.1} KiB each (target: under 10 MB in all, {})",
            self.kib_per_listener,
            met(self.kib_per_listener < 10_000_000.0 / 1024.0 / 1000.0)
        );
        let _ = writeln!(
            text,
            "- a list of {ENTRIES} tokens, one in a hundred revoked: {} bytes, {} by gzip (target: under 20 KB on the wire, \
             {}); made in {:.1} ms (target: under 50 ms, {}); the process grew by {:.1} MiB (target: under 4 MB, {})",
            self.plain,
            self.gzip,
            met(self.gzip < 20_000),
            self.built_in.as_secs_f64() * 1000.0,
            met(self.built_in < Duration::from_millis(50)),
            self.mib_of_list,
            met(self.mib_of_list < 3.8)
        );
        text
    }

    pub fn json(&self) -> Value {
        json!({
            "propagation_ms": { "p50": self.since_answer.quantile(0.5).as_secs_f64() * 1000.0,
                                "p99": self.since_answer.quantile(0.99).as_secs_f64() * 1000.0 },
            "lost": self.lost, "kib_per_listener": self.kib_per_listener, "list_bytes": self.plain,
            "list_gzip_bytes": self.gzip, "list_made_in_ms": self.built_in.as_secs_f64() * 1000.0,
        })
    }

    pub fn is_good(&self) -> bool {
        self.lost == 0
    }
}
