//! HTTP/2 (RFC 9113) for one connection, with bounds on what a client may ask of it.
//!
//! actix-http has a dispatcher of its own, which bounds neither the streams of a connection, nor the size of a head (16 MiB
//! each), nor how long an answer may wait for its client's window; and it knows of no stream that was reset. What is left to
//! h2 is what it bounds well by itself: CONTINUATION frames (by the head's size), answers to PING and SETTINGS (none is
//! read before the last is answered), and streams that are reset before they were looked at (CVE-2023-44487).

use std::cell::Cell;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::error::{DispatchError, PayloadError};
use actix_http::{BoxedPayloadStream, Payload, Request, Response};
use actix_service::Service;
use actix_web::http::Method;
use actix_web::http::header::HOST;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, rt};
use futures_util::future::{FutureExt as _, poll_fn};
use futures_util::stream::Stream;
use h2::server::{self, SendResponse};
use h2::{Ping, Reason, RecvStream};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::http2_answer;
use crate::clock::Clock;
use crate::oauth::presence::Presence;

/// Streams at a time, the least that RFC 9113 §6.5.2 recommends. A verifier that listens takes one for each list.
pub const MOST_STREAMS: u32 = 100;
/// Of all fields of a head together, as RFC 9113 §6.5.2 counts them.
pub const LARGEST_HEAD: u32 = 32 * 1024;
/// What a stream, and a connection, may send before it is read: the default of RFC 9113 §6.9.2, a whole form.
const WINDOW: u32 = 65_535;
/// What of an answer waits for the client's window, a stream.
const LARGEST_UNSENT: usize = 128 * 1024;
/// Streams that a client gave up, or that were refused, are forgiven up to this many, and one for each that was answered.
const FORGIVEN: u32 = 100;
/// How long a connection that ends may take to say so.
const FAREWELL: Duration = Duration::from_secs(2);

/// How the connections are served, whichever it is.
#[derive(Clone)]
pub struct Terms {
    pub arrival: Duration,
    pub patience: Duration,
    /// How long a connection without streams is kept, and from one ping to the next on one that has some.
    pub keep_alive: Duration,
    /// For the `Date` of answers (RFC 9110 §6.6.1).
    pub clock: Clock,
}

/// What has become of the streams of a connection.
#[derive(Default)]
struct Streams {
    /// Requests that are being answered, also for a stream that the client has reset: none is stopped half-way.
    running: Cell<u32>,
    answered: Cell<u32>,
    given_up: Cell<u32>,
    last_end: Cell<Option<Instant>>,
}

impl Streams {
    fn are_abused(&self) -> bool {
        self.given_up.get() > self.answered.get().saturating_add(FORGIVEN)
    }
}

/// Serves a connection to its end.
pub async fn serve<S>(
    connection: Connection,
    peer: Option<SocketAddr>,
    app: Rc<S>,
    terms: Terms,
    stopping: impl Future<Output = ()>,
) -> Result<(), DispatchError>
where
    S: Service<Request, Response = Response<BoxBody>, Error = Response<BoxBody>> + 'static,
{
    let seat = connection.seat().clone();
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LARGEST_HEAD)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(LARGEST_UNSENT);
    let handshake = timeout(terms.arrival, builder.handshake::<_, Bytes>(connection)).await;
    let mut connection = handshake.map_err(|_| DispatchError::SlowRequestTimeout)??;
    let mut pings = connection.ping_pong();
    let streams = Rc::new(Streams::default());
    let (mut stopping, mut is_ending, mut is_abused, mut awaits_pong) = (pin!(stopping), false, false, false);
    let mut timer = pin!(sleep_until(Instant::now() + terms.keep_alive));
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, mut answer) = accepted?;
                if streams.running.get() >= MOST_STREAMS {
                    answer.send_reset(Reason::REFUSED_STREAM);
                    streams.given_up.set(streams.given_up.get() + 1);
                } else if is_contradictory(&request) {
                    answer.send_reset(Reason::PROTOCOL_ERROR);
                    streams.given_up.set(streams.given_up.get() + 1);
                } else {
                    let request = translated(request, peer);
                    request.extensions_mut().insert(seat.clone());
                    streams.running.set(streams.running.get() + 1);
                    rt::spawn(attend(app.clone(), request, answer, streams.clone(), terms.clone()));
                }
                if streams.are_abused() && !is_abused {
                    tracing::info!("a connection by HTTP/2 is closed: its client gives up more than it takes");
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    (is_ending, is_abused) = (true, true);
                    timer.as_mut().reset(Instant::now() + FAREWELL);
                }
            }
            () = &mut stopping, if !is_ending => {
                connection.graceful_shutdown();
                is_ending = true;
                timer.as_mut().reset(Instant::now() + terms.keep_alive);
            }
            () = &mut timer => {
                let quiet_until = streams.last_end.get().map(|end| end + terms.keep_alive).filter(|end| *end > Instant::now());
                let is_used = streams.running.get() > 0;
                if is_abused || (is_ending && !is_used) {
                    return Ok(());
                } else if let (false, Some(end)) = (is_used, quiet_until) {
                    timer.as_mut().reset(end);
                } else if !is_used {
                    connection.graceful_shutdown();
                    is_ending = true;
                    timer.as_mut().reset(Instant::now() + FAREWELL);
                } else if let Some(pings) = &mut pings {
                    let is_there = !awaits_pong || poll_fn(|context| pings.poll_pong(context)).now_or_never().is_some();
                    if !is_there {
                        return Err(DispatchError::DisconnectTimeout);
                    }
                    awaits_pong = pings.send_ping(Ping::opaque()).is_ok();
                    timer.as_mut().reset(Instant::now() + terms.keep_alive);
                }
            }
        }
    }
}

/// Whether it names one host in `:authority` and another in `Host` (RFC 9113 §8.3.1).
fn is_contradictory<B>(request: &http::Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = hosts.next().map(|host| host.as_bytes());
    hosts.next().is_some() || authority.zip(host).is_some_and(|(authority, host)| !authority.eq_ignore_ascii_case(host))
}

fn translated(request: http::Request<RecvStream>, peer: Option<SocketAddr>) -> Request {
    let (parts, body) = request.into_parts();
    // Content of these means nothing (RFC 9110 §9.3.1, §9.3.2). h2 would keep every frame of it, and those that are empty need
    // no window; what nobody holds it throws away.
    let payload = if matches!(parts.method, Method::GET | Method::HEAD) {
        Payload::None
    } else {
        let payload: BoxedPayloadStream = Box::pin(Body(body));
        Payload::Stream { payload }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.uri = parts.uri;
    head.method = parts.method;
    head.version = parts.version;
    head.headers = parts.headers.into();
    head.peer_addr = peer;
    request
}

async fn attend<S>(app: Rc<S>, request: Request, mut answer: SendResponse<Bytes>, streams: Rc<Streams>, terms: Terms)
where
    S: Service<Request, Response = Response<BoxBody>, Error = Response<BoxBody>>,
{
    /// Counts the end, however it comes.
    struct End(Rc<Streams>);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.running.set(self.0.running.get() - 1);
            self.0.last_end.set(Some(Instant::now()));
        }
    }
    let end = End(streams);
    let answered = AssertUnwindSafe(carry_out(app, request, &mut answer, &terms)).catch_unwind().await;
    let counter = match answered {
        Ok(true) => &end.0.answered,
        Ok(false) => &end.0.given_up,
        // Routes answer 500 by themselves (`transaction`). This was the body of an answer, or what is around them.
        Err(_panic) => {
            tracing::error!("the code behind a stream of HTTP/2 panicked");
            return answer.send_reset(Reason::INTERNAL_ERROR);
        }
    };
    counter.set(counter.get().saturating_add(1));
}

/// Whether the client has taken the answer.
async fn carry_out<S>(app: Rc<S>, request: Request, answer: &mut SendResponse<Bytes>, terms: &Terms) -> bool
where
    S: Service<Request, Response = Response<BoxBody>, Error = Response<BoxBody>>,
{
    let is_head = request.head().method == Method::HEAD;
    // Whoever resets a stream, or leaves altogether, waits no more; what has begun goes on.
    let (waiting, presence) = Presence::new();
    request.extensions_mut().insert(presence);
    let (mut answering, mut waiting) = (pin!(app.call(request)), Some(waiting));
    let response = poll_fn(|context| {
        if waiting.is_some() && answer.poll_reset(context).is_ready() {
            waiting = None;
        }
        answering.as_mut().poll(context)
    });
    let response = response.await.unwrap_or_else(|refusal| refusal);
    let was_reset = poll_fn(|context| answer.poll_reset(context)).now_or_never().is_some();
    !was_reset && http2_answer::send(response, answer, is_head, terms).await.is_ok()
}

/// What a client sends on a stream. What is read makes room for more.
struct Body(RecvStream);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = &mut self.get_mut().0;
        let Some(chunk) = ready!(body.poll_data(context)) else { return Poll::Ready(None) };
        let chunk = chunk.and_then(|chunk| body.flow_control().release_capacity(chunk.len()).map(|()| chunk));
        Poll::Ready(Some(chunk.map_err(PayloadError::from)))
    }
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
