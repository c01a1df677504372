//! The listener: bound, given TLS, run, and drained when it stops.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};

use super::routes;
use super::transaction::{InFlight, transaction};
use crate::oauth::Provider;

/// How the server is run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads that serve requests.
    pub workers: usize,
    /// How long requests in flight may take after the server was told to stop.
    pub drain: Duration,
}

/// A server that listens. Awaiting it runs it until it is stopped.
pub struct Listening {
    pub address: SocketAddr,
    server: Server,
    in_flight: InFlight,
}

/// What stops a server.
pub struct Stop {
    handle: ServerHandle,
    in_flight: InFlight,
}

/// An answer that is made is sent within this time.
const SENDING: Duration = Duration::from_millis(250);

impl Stop {
    /// Takes no new connection from now on, and returns when no request is in flight. Connections without one are not
    /// waited for: actix keeps those of HTTP/2 for as long as the client likes.
    pub async fn drain(self) {
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
        Stop { handle: self.server.handle(), in_flight: self.in_flight.clone() }
    }

    pub async fn run(self) -> io::Result<()> {
        self.server.await
    }
}

/// Starts to listen. The caller decides when to stop: signals are not taken here.
///
/// # Errors
/// When the address cannot be used.
pub fn listen(
    provider: &Arc<Provider>,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    limits: Limits,
) -> io::Result<Listening> {
    let address = listener.local_addr()?;
    let provider = provider.clone();
    let in_flight = InFlight::default();
    let counted = in_flight.clone();
    let app = move || App::new().app_data(counted.clone()).wrap(from_fn(transaction)).configure(routes(&provider));
    let server = HttpServer::new(app)
        .workers(limits.workers)
        .client_request_timeout(Duration::from_secs(15))
        .keep_alive(Duration::from_secs(60))
        .shutdown_timeout(limits.drain.as_secs())
        .disable_signals();
    let server = match tls {
        Some(config) => server.listen_rustls_0_23(listener, config)?,
        None => server.listen_auto_h2c(listener)?,
    };
    Ok(Listening { address, server: server.run(), in_flight })
}
