//! A socket with its place among the connections: what is below TLS, so that a handshake that does not go on counts, too.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::{Connections, Seat, Taken};
use crate::protocol::network::Network;

/// Fails to read and to write once it has to go.
pub struct Socket {
    stream: TcpStream,
    taken: Taken,
}

impl Socket {
    /// # Errors
    /// When there is no place for it.
    pub fn admit(stream: TcpStream, connections: &Arc<Connections>, proxies: &[Network]) -> io::Result<Self> {
        let address = stream.peer_addr().ok().map(|peer| peer.ip().to_canonical());
        let is_proxy = address.is_some_and(|address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address)));
        match connections.admit(address, is_proxy) {
            Some(taken) => Ok(Self { stream, taken }),
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn seat(&self) -> &Arc<Seat> {
        self.taken.seat()
    }

    fn check(&self, context: &mut Context<'_>) -> io::Result<()> {
        match self.seat().poll_evicted(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        if outcome.is_ready() {
            self.taken.is_heard();
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl ActixStream for Socket {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, context)
    }
}
