//! A client as clients are to be: what is answered 503, or not at all, is asked again, after a pause that grows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use signet::entropy::Entropy;
use tokio::time::{sleep, timeout};

use crate::balancer::MARK;
use crate::client::Connection;
use crate::ledger::{Deed, Kind, Ledger, Outcome, Sample};

/// Longer than HAProxy waits for an instance.
const ANSWER: Duration = Duration::from_secs(25);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For how long something is asked again. (A refresh must come through within the retry window of its first answer.)
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Caller {
    connection: Connection,
    pub ledger: Arc<Ledger>,
    patience: Duration,
}

/// What a client can do nothing about.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("refused with {0}: {1}")]
    Refused(u16, String),
    #[error("given up after {0:.1?}; the last: {1}")]
    GivenUp(Duration, String),
}

impl Caller {
    pub fn new(address: SocketAddr, ledger: &Arc<Ledger>) -> Self {
        Self { connection: Connection::new(address), ledger: ledger.clone(), patience: PATIENCE }
    }

    /// Gives up at once.
    #[must_use]
    pub fn without_patience(mut self) -> Self {
        self.patience = Duration::ZERO;
        self
    }

    /// Sends `request` until it is answered with 200, and gives the body.
    pub async fn ask(&mut self, kind: Kind, request: &[u8]) -> Result<String, Lost> {
        let began = self.ledger.now();
        let mut pause = FIRST_PAUSE;
        loop {
            let at = self.ledger.now();
            let answer = timeout(ANSWER, self.connection.exchange(request)).await;
            let (outcome, text) = match answer {
                Ok(Ok(answer)) => {
                    let body = String::from_utf8_lossy(answer.body).into_owned();
                    match answer.status {
                        200 => (Outcome::Good, body),
                        503 if body.contains(MARK) => (Outcome::NoInstance, body),
                        503 => (Outcome::Unavailable, body),
                        status @ 500.. => (Outcome::ServerError, format!("{status}: {body}")),
                        status => {
                            let took = self.ledger.now().saturating_sub(at);
                            let sample = Sample { at, took, kind, outcome: Outcome::Refused };
                            self.ledger.book().samples.push(sample);
                            return Err(Lost::Refused(status, body));
                        }
                    }
                }
                Ok(Err(error)) => (Outcome::Silence, error.to_string()),
                Err(_) => (Outcome::Silence, format!("no answer within {} s", ANSWER.as_secs())),
            };
            let now = self.ledger.now();
            {
                let mut book = self.ledger.book();
                book.samples.push(Sample { at, took: now.saturating_sub(at), kind, outcome });
                match outcome {
                    Outcome::Good => {
                        book.deeds.push(Deed { at: began, took: now.saturating_sub(began), kind });
                        return Ok(text);
                    }
                    Outcome::ServerError => book.wrong.add(at, format_args!("{kind:?}: {text}")),
                    Outcome::Silence => book.mishaps.add(at, format_args!("{kind:?}: {text}")),
                    _ => {}
                }
            }
            let tried = now.saturating_sub(began);
            if tried >= self.patience {
                return Err(Lost::GivenUp(tried, text));
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// From half of a pause to one and a half.
pub fn jittered(pause: Duration) -> Duration {
    let random = u16::from_ne_bytes(Entropy::system().bytes());
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u16::MAX))
}
