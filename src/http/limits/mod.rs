//! What the server bears: connections, requests from an address, requests in flight, refusals. Beyond each bound whoever
//! comes is refused at once, with as little work as can be, so that those who are in get their answers in time.
//!
//! All of it is one instance's own and lies in memory: it protects the instance, not accounts.

mod block;
mod connections;
mod pace;
mod rates;
mod socket;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpMessage as _, HttpRequest};

use super::client_address;
use super::error::Error;
use super::server::Limits;
use block::Block;
pub use connections::{Connections, InService, Seat};
use pace::Pace;
use rates::Rates;
pub use socket::Socket;

use crate::config::{Config, Rate};
use crate::metrics::{Load, Seldom};

/// The bounds of one listener.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections at a time.
    pub connections: usize,
    /// Of these, from one address (or one /64 of IPv6) that is no trusted proxy; 0 for as many as there are.
    pub connections_of_an_address: usize,
    /// Requests that change something or are checked, whose bodies have arrived.
    pub in_flight: usize,
    /// Of requests for tokens, for revocation and for another password together.
    pub token_rate: Rate,
    /// Of introspections.
    pub introspection_rate: Rate,
    /// Answers with `Retry-After` a second that are not held back.
    pub refusals_at_once: NonZeroU32,
}

impl Bounds {
    pub fn of(config: &Config) -> Self {
        Self {
            connections: config.max_connections.get(),
            connections_of_an_address: config.max_connections_per_address.get(),
            in_flight: config.max_in_flight.get(),
            token_rate: config.token_rate,
            introspection_rate: config.introspection_rate,
            refusals_at_once: pace::AT_ONCE,
        }
    }

    /// For administrators: few, and known by their tokens.
    #[must_use]
    pub fn for_administrators(&self) -> Self {
        Self {
            connections: ADMINISTRATORS,
            connections_of_an_address: 0,
            token_rate: Rate::OFF,
            introspection_rate: Rate::OFF,
            ..*self
        }
    }
}

/// Connections of the administration listener.
pub const ADMINISTRATORS: usize = 1000;

impl Default for Bounds {
    /// No rate, and what no test or tool comes near.
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_of_an_address: 0,
            in_flight: 20_000,
            token_rate: Rate::OFF,
            introspection_rate: Rate::OFF,
            refusals_at_once: pace::AT_ONCE,
        }
    }
}

/// What is counted against them.
#[derive(Clone)]
pub struct Gates(Arc<Counts>);

struct Counts {
    connections: Arc<Connections>,
    token: Option<Rates>,
    introspection: Option<Rates>,
    most_in_flight: usize,
    in_flight: AtomicUsize,
    shed: Seldom,
    pace: Pace,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many came from its address: again after this time.
    Rate(Duration),
    /// Too many are in flight.
    Load,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(wait) => write!(f, "too many requests from this address, for another {} ms", wait.as_millis()),
            Self::Load => f.write_str("too many requests in flight"),
        }
    }
}

/// A request in flight, until this is dropped.
struct Begun {
    counts: Arc<Counts>,
    _in_service: Option<InService>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.counts.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gates {
    pub fn new(bounds: &Bounds) -> Self {
        Self(Arc::new(Counts {
            connections: Arc::new(Connections::new(bounds.connections, bounds.connections_of_an_address)),
            token: Rates::new(bounds.token_rate),
            introspection: Rates::new(bounds.introspection_rate),
            most_in_flight: bounds.in_flight,
            in_flight: AtomicUsize::new(0),
            shed: Seldom::default(),
            pace: Pace::new(bounds.refusals_at_once, bounds.in_flight),
        }))
    }

    pub fn connections(&self) -> &Arc<Connections> {
        &self.0.connections
    }

    pub fn load(&self) -> Load {
        let limited = [&self.0.token, &self.0.introspection].into_iter().flatten();
        Load {
            connections: self.0.connections.count(),
            connections_refused: self.0.connections.refused.total(),
            connections_evicted: self.0.connections.evicted.total(),
            in_flight: self.0.in_flight.load(Ordering::Relaxed),
            shed: self.0.shed.total(),
            rate_limited: limited.map(|rates| rates.refused.total()).sum(),
            held_back: self.0.pace.held(),
        }
    }

    fn shed(&self) -> Refusal {
        self.0.shed.count(|count| {
            tracing::warn!(count, most = self.0.most_in_flight, "requests answered 503: too many are in flight");
        });
        Refusal::Load
    }
}

/// Whether a request may come in, asked before its body is read.
pub fn enter(request: &HttpRequest) -> Result<(), Error> {
    let Some(gates) = request.app_data::<Gates>() else { return Ok(()) };
    // The resource as the router understood it: a path can be written in many ways.
    let is_introspection = request.match_info().as_str().ends_with("/oauth2/introspect");
    let rates = if is_introspection { &gates.0.introspection } else { &gates.0.token };
    if let Some(rates) = rates
        && let Some(block) = limited(request)
    {
        rates.take(block).map_err(|wait| Error::Refused(Refusal::Rate(wait)))?;
    }
    if gates.0.in_flight.load(Ordering::Acquire) >= gates.0.most_in_flight {
        return Err(Error::Refused(gates.shed()));
    }
    Ok(())
}

/// Whose share it counts against. A proxy that is trusted and does not say for whom it asks has none.
fn limited(request: &HttpRequest) -> Option<Block> {
    let address = client_address::of(request);
    let trusted = request.app_data::<Limits>().map_or(&[][..], |limits| &limits.trusted_proxies);
    let is_proxy = address.is_some_and(|address| trusted.iter().any(|proxy| proxy.contains(address)));
    (!is_proxy).then(|| Block::of(address))
}

/// Takes a place among those in flight until the request is answered. Asked once the body is there: whoever sends it slowly
/// would else keep others out.
pub fn begin(request: &HttpRequest) -> Result<(), Error> {
    let Some(gates) = request.app_data::<Gates>() else { return Ok(()) };
    let counts = gates.0.clone();
    let before = counts.in_flight.fetch_add(1, Ordering::AcqRel);
    let begun = Begun { counts, _in_service: serve(request) };
    if before >= begun.counts.most_in_flight {
        return Err(Error::Refused(gates.shed()));
    }
    request.extensions_mut().insert(begun);
    Ok(())
}

/// Keeps the connection of a request from being closed for another, as long as what this gives is there.
pub fn serve(request: &HttpRequest) -> Option<InService> {
    if let Some(seat) = request.conn_data::<Arc<Seat>>() {
        return Some(seat.serve());
    }
    // HTTP/2 says it with each request.
    request.extensions().get::<Arc<Seat>>().map(Seat::serve)
}

/// Holds an answer back for a moment where too many tell their clients to come back later. Its request is in flight no
/// longer: others may come in.
pub async fn pace(answer: &ServiceResponse<impl Sized>) {
    if !answer.headers().contains_key(RETRY_AFTER) {
        return;
    }
    let request = answer.request();
    let Some(_held) = request.app_data::<Gates>().and_then(|gates| gates.0.pace.hold()) else { return };
    let _in_service = serve(request);
    request.extensions_mut().remove::<Begun>();
    tokio::time::sleep(pace::MOMENT).await;
}
