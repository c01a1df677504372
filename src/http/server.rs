//! The listener: bound, given TLS, run, and drained when it stops.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Response};
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_tls::accept::{TlsError, max_concurrent_tls_connect};
use actix_web::dev::{AppConfig, Server, ServerHandle, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpResponse};
use futures_util::future::poll_fn;

use super::connection::Connection;
use super::http2::Terms;
use super::limits::{Bounds, Gates, Socket};
use super::observation::{ADMINISTRATION, ISSUER};
use super::protocols::{Accepted, Protocols};
use super::status_changes::Listeners;
use super::stopping::{Farewell, Stopping};
use super::transaction::{InFlight, transaction};
use super::{administration, redirect, routes};
use crate::certificate::{ACME_TLS, Shown};
use crate::clock::Clock;
use crate::oauth::Provider;
use crate::protocol::network::Network;

/// How the server is run.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Threads that serve requests.
    pub workers: usize,
    /// How long requests in flight may take after the server was told to stop.
    pub drain: Duration,
    /// How long a request's head may take to arrive, and its body after that. Whoever is slower holds a connection for
    /// nothing. Three times as long after a request began, or a connection was opened, it is given up in any case.
    pub arrival: Duration,
    /// How long a connection is kept on which there is nothing to do. One by HTTP/2 that has streams is asked as often whether
    /// its client is still there.
    pub keep_alive: Duration,
    /// Peers whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Arc<[Network]>,
    /// How many of each there may be.
    pub bounds: Bounds,
}

/// A server that listens. Awaiting it runs it until it is stopped.
pub struct Listening {
    pub address: SocketAddr,
    server: Server,
    in_flight: InFlight,
    stopping: Stopping,
    /// What is counted against the bounds.
    pub gates: Gates,
}

/// What stops a server.
pub struct Stop {
    handle: ServerHandle,
    in_flight: InFlight,
    stopping: Stopping,
}

/// An answer that is made is sent within this time.
const SENDING: Duration = Duration::from_millis(250);

impl Stop {
    /// Lets clients and load balancers know that the end is near. Requests are taken as before.
    pub fn announce(&self) {
        self.stopping.announce();
    }

    /// Takes no new connection from now on, and returns when no request is in flight. Connections without one are not
    /// waited for: actix keeps those of HTTP/2 for as long as the client likes.
    pub async fn drain(self) {
        self.announce();
        // Told to stop by this call already; the future it gives waits for the connections.
        drop(self.handle.stop(true));
        let mut quiet = false;
        loop {
            tokio::time::sleep(SENDING).await;
            let was_quiet = std::mem::replace(&mut quiet, self.in_flight.is_none());
            if was_quiet && quiet {
                return;
            }
        }
    }
}

impl Listening {
    pub fn stop(&self) -> Stop {
        Stop { handle: self.server.handle(), in_flight: self.in_flight.clone(), stopping: self.stopping.clone() }
    }

    /// Has the metrics of the issuer tell of it.
    fn watched(self, provider: &Provider, name: &'static str) -> Self {
        let gates = self.gates.clone();
        provider.metrics.loads.watch(name, move || gates.load());
        self
    }

    pub async fn run(self) -> io::Result<()> {
        self.server.await
    }
}

/// Starts to listen for clients and APIs. The caller decides when to stop: signals are not taken here.
///
/// # Errors
/// When the address cannot be used.
pub fn listen(
    provider: &Arc<Provider>,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    limits: Limits,
) -> io::Result<Listening> {
    let (provider, listeners) = (provider.clone(), Listeners::among(limits.bounds.connections));
    let clock = provider.clock.clone();
    let metrics = provider.clone();
    let listening = serve(move || routes(&provider, &listeners), listener, tls, (limits, clock))?;
    Ok(listening.watched(&metrics, ISSUER))
}

/// The same for administrators.
///
/// # Errors
/// When the address cannot be used.
pub fn listen_for_administrators(
    provider: &Arc<Provider>,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    limits: Limits,
) -> io::Result<Listening> {
    let (provider, clock) = (provider.clone(), provider.clock.clone());
    let metrics = provider.clone();
    let listening = serve(move || administration::routes(&provider), listener, tls, (limits, clock))?;
    Ok(listening.watched(&metrics, ADMINISTRATION))
}

/// Plain HTTP that redirects to the issuer, and answers the challenges of a certificate authority.
///
/// # Errors
/// When the address cannot be used.
pub fn listen_to_redirect(
    provider: &Arc<Provider>,
    shown: Option<&Arc<Shown>>,
    listener: TcpListener,
    limits: Limits,
) -> io::Result<Listening> {
    let (issuer, shown, clock) = (provider.issuer.clone(), shown.cloned(), provider.clock.clone());
    serve(move || redirect::routes(&issuer, shown.as_ref()), listener, None, (limits, clock))
}

fn serve<R: FnOnce(&mut ServiceConfig) + 'static>(
    routes: impl Fn() -> R + Clone + Send + 'static,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    (limits, clock): (Limits, Clock),
) -> io::Result<Listening> {
    let address = listener.local_addr()?;
    let (drain, arrival, keep_alive) = (limits.drain, limits.arrival, limits.keep_alive);
    let proxies = limits.trusted_proxies.clone();
    // Ours is the one bound on connections: a worker that has reached one of actix's takes none at all.
    max_concurrent_tls_connect(usize::MAX);
    let server = Server::build().workers(limits.workers).max_concurrent_connections(usize::MAX);
    let server = server.shutdown_timeout(drain.as_secs()).disable_signals();
    let draining = server.graceful_shutdown_signal();
    let stopping = Stopping::default();
    let (in_flight, gates) = (InFlight::default(), Gates::new(&limits.bounds));
    let connections = gates.connections().clone();
    let counted = (in_flight.clone(), gates.clone());
    let patience = arrival * 3;
    // What `actix_web::HttpServer` does, on connections of our own.
    let announced = stopping.clone();
    let http = move || {
        let draining = draining.clone();
        let draining = move || {
            let draining = draining.clone();
            async move { draining.notified().await }
        };
        let app = || {
            let app = App::new().app_data(counted.0.clone()).app_data(counted.1.clone());
            let app = app.app_data(announced.clone()).app_data(limits.clone());
            let app = app.wrap(from_fn(transaction)).configure(routes());
            let app = actix_service::IntoServiceFactory::into_factory(app)
                .map(|answer: ServiceResponse<_>| Response::from(HttpResponse::from(answer.map_into_boxed_body())))
                .map_err(|error: actix_web::Error| Response::from(error.error_response()));
            map_config(app, |()| AppConfig::default())
        };
        let http1 = HttpService::build()
            .graceful_shutdown_signal(draining.clone())
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.presence());
                data.insert(connection.seat().clone());
            })
            .keep_alive(keep_alive)
            .client_request_timeout(arrival)
            .client_disconnect_timeout(Duration::from_secs(1))
            .finish(app());
        let terms = Terms { arrival, patience, keep_alive, clock: clock.clone() };
        Protocols { http1, app: app(), terms, stopping: draining }
    };
    let admit = move |socket| {
        let (connections, proxies) = (connections.clone(), proxies.clone());
        async move { Socket::admit(socket, &connections, &proxies) }
    };
    let announced = stopping.clone();
    let server = match tls {
        None => server.listen("http", listener, move || {
            let announced = announced.clone();
            fn_service(admit.clone())
                .map_err(DispatchError::Io)
                .and_then(move |socket| plain(socket, patience, announced.clone()))
                .and_then(http())
        })?,
        Some(mut config) => {
            // Before what the certificate may have brought along: `acme-tls/1`.
            config.alpn_protocols.splice(0..0, [b"h2".to_vec(), b"http/1.1".to_vec()]);
            server.listen("https", listener, move || {
                let (mut acceptor, announced) = (Acceptor::new(config.clone()), announced.clone());
                acceptor.set_handshake_timeout(arrival);
                fn_service(admit.clone())
                    .map_err(|error| TlsError::Service(DispatchError::Io(error)))
                    .and_then(acceptor.map_err(TlsError::into_service_error))
                    .and_then(move |stream| std::future::ready(encrypted(stream, patience, &announced)))
                    .and_then(http().map_err(TlsError::Service))
            })?
        }
    };
    Ok(Listening { address, server: server.run(), in_flight, stopping, gates })
}

/// Without TLS nothing tells HTTP/2 from HTTP/1 but how it begins (RFC 9113 §3.3).
async fn plain(socket: Socket, patience: Duration, stopping: Stopping) -> Result<Accepted, DispatchError> {
    const PREFACE: &[u8; 12] = b"PRI * HTTP/2";
    let (stream, seat) = (socket.stream(), socket.seat().clone());
    let peer = stream.peer_addr().ok();
    let mut start = [0; PREFACE.len()];
    let peeked = tokio::select! {
        peeked = tokio::time::timeout(patience, stream.peek(&mut start)) => peeked,
        () = poll_fn(|context| seat.poll_evicted(context)) => {
            return Err(DispatchError::Io(io::ErrorKind::ConnectionAborted.into()));
        }
    };
    peeked.map_err(|_| DispatchError::Io(io::ErrorKind::TimedOut.into()))?.map_err(DispatchError::Io)?;
    // Answers are written whole: there is nothing to gather.
    stream.set_nodelay(true).map_err(DispatchError::Io)?;
    Ok(if start == *PREFACE {
        (Connection::untimed(Farewell::new(socket, &stopping), seat, patience), Protocol::Http2, peer)
    } else {
        (Connection::patient(socket, seat, patience), Protocol::Http1, peer)
    })
}

fn encrypted(
    stream: TlsStream<Socket>,
    patience: Duration,
    stopping: &Stopping,
) -> Result<Accepted, TlsError<io::Error, DispatchError>> {
    let (socket, tls) = stream.get_ref();
    if tls.alpn_protocol() == Some(ACME_TLS) {
        // The handshake was all (RFC 8737 §3).
        return Err(TlsError::Service(DispatchError::Io(io::ErrorKind::ConnectionAborted.into())));
    }
    let (peer, seat) = (socket.stream().peer_addr().ok(), socket.seat().clone());
    let is_http2 = tls.alpn_protocol() == Some(b"h2");
    socket.stream().set_nodelay(true).map_err(|error| TlsError::Service(DispatchError::Io(error)))?;
    Ok(if is_http2 {
        (Connection::untimed(Farewell::new(stream, stopping), seat, patience), Protocol::Http2, peer)
    } else {
        (Connection::patient(stream, seat, patience), Protocol::Http1, peer)
    })
}
