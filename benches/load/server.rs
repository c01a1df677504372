//! A server under load, started as a child and waited for until it says that it is ready.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::client::{self, Connection};
use crate::failure::Failure;
use crate::supervised::Supervised;

const START_LIMIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

pub struct Server {
    pub address: SocketAddr,
    pub supervised: Supervised,
    /// From before its start to its first 200 at `/readyz`.
    pub ready_after: Duration,
}

impl Server {
    /// `what` names it for people; `configure` makes it listen on `address`.
    pub async fn start(
        what: &'static str,
        program: &Path,
        log: &Path,
        address: SocketAddr,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let supervised = Supervised::start(program, "TERM", log, configure)?;
        while !answers_ready(address).await {
            if started.elapsed() > START_LIMIT || !supervised.process().runs() {
                let seconds = START_LIMIT.as_secs();
                return Err(Failure::NotReady { what, seconds, log: supervised.end_of_log() });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(Self { address, supervised, ready_after: started.elapsed() })
    }
}

pub async fn answers_ready(address: SocketAddr) -> bool {
    let request = client::fetch(address, "/readyz");
    let mut connection = Connection::new(address);
    let answer = timeout(Duration::from_secs(1), connection.exchange(&request)).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200))
}

/// A loopback address with a port that was free a moment ago.
pub fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map_err(Failure::io("looking for a free port"))
}
