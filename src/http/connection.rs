//! A client's connection, given up when the client takes too long over a request.
//!
//! The HTTP/1 dispatcher times the first head on a connection and the pause between requests. It does not time a
//! connection that says nothing, the heads after the first, or a body that it drains after the answer.
//!
//! And one that knows when its client has gone: the dispatcher carries a request out all the same, which is as it must be in the
//! middle of a transaction, but what only waits for its turn may leave.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::oauth::presence::{Presence, Waiting};

/// What carries HTTP: a socket, or TLS on one.
trait Carrier: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Carrier for T {}

/// Fails to read once the client has kept it waiting for longer than its patience: from the opening, or from the first
/// byte after an answer, to the next byte of an answer.
pub struct Connection {
    carrier: Box<dyn Carrier>,
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Given up when the client says no more.
    waiting: Option<Waiting>,
    presence: Presence,
}

impl Connection {
    /// For HTTP/1.
    pub fn patient(carrier: impl AsyncRead + AsyncWrite + Unpin + 'static, patience: Duration) -> Self {
        let mut connection = Self::new(Box::new(carrier), patience);
        connection.expect_answer();
        connection
    }

    /// For HTTP/2, whose dispatcher asks the client by pings whether it is still there, and whose client may well send
    /// what needs no answer.
    pub fn untimed(carrier: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Self {
        Self::new(Box::new(carrier), Duration::MAX)
    }

    fn new(carrier: Box<dyn Carrier>, patience: Duration) -> Self {
        let (waiting, presence) = Presence::new();
        Self { carrier, patience, deadline: None, waiting: Some(waiting), presence }
    }

    /// Whether the client is still there.
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    fn expect_answer(&mut self) {
        // No deadline where it lies beyond what the clock can say.
        let end = Instant::now().checked_add(self.patience);
        self.deadline = end.map(|end| Box::pin(sleep_until(end)));
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.carrier).poll_read(context, buffer);
        let has_room = buffer.remaining() > 0;
        match &outcome {
            Poll::Ready(Ok(())) if buffer.filled().len() == before && has_room => this.waiting = None,
            Poll::Ready(Err(_)) => this.waiting = None,
            _ => {}
        }
        if this.deadline.is_none() && buffer.filled().len() > before {
            this.expect_answer();
        }
        let is_over = this.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready());
        if is_over { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { outcome }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.carrier).poll_write(context, bytes))?;
        this.deadline = None;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_shutdown(context)
    }
}
