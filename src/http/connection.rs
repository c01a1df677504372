//! A client's connection, given up when the client takes too long over a request.
//!
//! The HTTP/1 dispatcher times the first head on a connection and the pause between requests. It does not time a
//! connection that says nothing, the heads after the first, or a body that it drains after the answer.
//!
//! What arrives by HTTP/1 is judged first (`framing`). An answer that is not taken is given up, too: the dispatchers wait for
//! ever until a client reads.
//!
//! And one that knows when its client has gone: the dispatcher carries a request out all the same, which is as it must be in the
//! middle of a transaction, but what only waits for its turn may leave.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::Framing;
use super::limits::Seat;
use crate::oauth::presence::{Presence, Waiting};

/// What carries HTTP: a socket, or TLS on one.
trait Carrier: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Carrier for T {}

/// So much of an answer must be taken within the patience, unless it is all there is.
const TAKEN_IN_TIME: usize = 64 * 1024;

/// Fails to read once the client has kept it waiting for longer than its patience: from the opening, or from the first
/// byte after an answer, to the next byte of an answer. Fails to write once the client takes too little of an answer.
pub struct Connection {
    carrier: Box<dyn Carrier>,
    seat: Arc<Seat>,
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    /// For HTTP/1.
    framing: Option<Framing>,
    stall: Option<Stall>,
    /// Given up when the client says no more.
    waiting: Option<Waiting>,
    presence: Presence,
}

/// The client does not take what is to be sent.
struct Stall {
    end: Pin<Box<Sleep>>,
    taken: usize,
}

impl Connection {
    /// For HTTP/1.
    pub fn patient(
        carrier: impl AsyncRead + AsyncWrite + Unpin + 'static,
        seat: Arc<Seat>,
        patience: Duration,
    ) -> Self {
        let framing = Some(Framing::default());
        let mut connection = Self { framing, ..Self::untimed(carrier, seat, patience) };
        connection.expect_answer();
        connection
    }

    /// For HTTP/2, whose dispatcher asks the client by pings whether it is still there, and whose client may well send
    /// what needs no answer. Only answers are timed.
    pub fn untimed(
        carrier: impl AsyncRead + AsyncWrite + Unpin + 'static,
        seat: Arc<Seat>,
        patience: Duration,
    ) -> Self {
        let (waiting, presence) = Presence::new();
        Self {
            carrier: Box::new(carrier),
            seat,
            patience,
            deadline: None,
            framing: None,
            stall: None,
            waiting: Some(waiting),
            presence,
        }
    }

    /// Whether the client is still there.
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    fn expect_answer(&mut self) {
        self.deadline = Some(Box::pin(sleep_until(Instant::now() + self.patience)));
    }

    /// Whether reading is over: the client was waited for long enough.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready())
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Whatever follows what was refused is nobody's request. The dispatcher answers and closes.
        if this.framing.as_ref().is_some_and(Framing::has_refused) {
            let is_over = this.is_over(context);
            return if is_over { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending };
        }
        let before = buffer.filled().len();
        let outcome = loop {
            let outcome = Pin::new(&mut this.carrier).poll_read(context, buffer);
            let has_read = buffer.filled().len() > before;
            match &outcome {
                Poll::Ready(Ok(())) if !has_read && buffer.remaining() > 0 => this.waiting = None,
                Poll::Ready(Err(_)) => this.waiting = None,
                _ => {}
            }
            if let Some(framing) = &mut this.framing {
                let kept = framing.follow(&mut buffer.filled_mut()[before..]);
                buffer.set_filled(before + kept);
            }
            // An empty line between two requests is nothing to parse, and no end either.
            if !has_read || buffer.filled().len() > before {
                break outcome;
            }
        };
        // HTTP/2 has no framing here, and its clients are not timed.
        if this.framing.is_some() && this.deadline.is_none() && buffer.filled().len() > before {
            this.expect_answer();
        }
        if this.is_over(context) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { outcome }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.carrier).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => {
                this.deadline = None;
                if let Some(stall) = &mut this.stall {
                    stall.taken += written;
                    if stall.taken >= TAKEN_IN_TIME {
                        this.stall = None;
                    }
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => this.stalled(context).map(Err),
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.carrier).poll_flush(context);
        match outcome {
            // All is sent that there was: the next answer has its own time.
            Poll::Ready(Ok(())) => this.stall = None,
            Poll::Pending => return this.stalled(context).map(Err),
            Poll::Ready(Err(_)) => {}
        }
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_shutdown(context)
    }
}

impl Connection {
    /// Ready when the client has not taken enough for too long.
    fn stalled(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let end = || Box::pin(sleep_until(Instant::now() + self.patience));
        let stall = self.stall.get_or_insert_with(|| Stall { end: end(), taken: 0 });
        stall.end.as_mut().poll(context).map(|()| io::ErrorKind::TimedOut.into())
    }
}
