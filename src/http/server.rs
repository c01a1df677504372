//! The listener: bound, given TLS, run, and drained when it stops.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};

use super::{routes, transaction::transaction};
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
}

impl Listening {
    /// What stops it.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
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
    let server = HttpServer::new(move || App::new().wrap(from_fn(transaction)).configure(routes(&provider)))
        .workers(limits.workers)
        .client_request_timeout(Duration::from_secs(15))
        .keep_alive(Duration::from_secs(60))
        .shutdown_timeout(limits.drain.as_secs())
        .disable_signals();
    let server = match tls {
        Some(config) => server.listen_rustls_0_23(listener, config)?,
        None => server.listen_auto_h2c(listener)?,
    };
    Ok(Listening { address, server: server.run() })
}
