//! A server that is about to stop, and how its clients learn of it before that: `/readyz` answers 503, answers of HTTP/1 end
//! their connections (RFC 9112 §9.6), and HTTP/2 has GOAWAY (RFC 9113 §6.8), which actix-http never sends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// Whether the server is about to stop. Clones know the same.
#[derive(Clone, Debug)]
pub struct Stopping(Arc<watch::Sender<bool>>);

impl Default for Stopping {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stopping {
    /// Requests are still taken.
    pub fn announce(&self) {
        self.0.send_replace(true);
    }

    pub fn is_announced(&self) -> bool {
        *self.0.borrow()
    }

    fn announced(&self) -> impl Future<Output = ()> + use<> {
        let mut receiver = self.0.subscribe();
        async move {
            // The sender goes with the server: then there is nobody left to tell.
            let _ = receiver.wait_for(|announced| *announced).await;
        }
    }
}

/// No stream above 2³¹−1 is taken, which is none that there is: open no other on this connection, and no harm was done.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const HEADERS: u8 = 1;
const HEAD: usize = 9;

/// What carries HTTP/2, with a GOAWAY between two of the server's frames once the server is about to stop. Only where an
/// answer was begun: a client that has just connected would find no connection to send its first request on.
pub struct Farewell<T> {
    carrier: T,
    stopping: Pin<Box<dyn Future<Output = ()>>>,
    is_announced: bool,
    /// How much of the GOAWAY is written.
    said: usize,
    /// What is written of the frame's head, and what is to come of its payload.
    head: Vec<u8>,
    payload: usize,
    has_answered: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Farewell<T> {
    pub fn new(carrier: T, stopping: &Stopping) -> Self {
        let stopping = Box::pin(stopping.announced());
        let head = Vec::with_capacity(HEAD);
        Self { carrier, stopping, is_announced: false, said: 0, head, payload: 0, has_answered: false }
    }

    /// Ready when there is nothing to say, or it is said.
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_announced {
            self.is_announced = self.stopping.as_mut().poll(context).is_ready();
        }
        let is_between_frames = self.head.is_empty() && self.payload == 0;
        if !self.is_announced || !self.has_answered || !is_between_frames {
            return Poll::Ready(Ok(()));
        }
        while self.said < GOAWAY.len() {
            let written = ready!(Pin::new(&mut self.carrier).poll_write(context, &GOAWAY[self.said..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.said += written;
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps count of what was written of frames.
    fn follow(&mut self, mut written: &[u8]) {
        while !written.is_empty() {
            if self.payload > 0 {
                let some = self.payload.min(written.len());
                self.payload -= some;
                written = &written[some..];
                continue;
            }
            let some = (HEAD - self.head.len()).min(written.len());
            self.head.extend_from_slice(&written[..some]);
            written = &written[some..];
            if let [a, b, c, kind, ..] = self.head[..]
                && self.head.len() == HEAD
            {
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                self.has_answered |= kind == HEADERS;
                self.head.clear();
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Farewell<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A connection that rests is read from, and nothing else. What cannot be written now goes before the next frame.
        let before = this.said;
        if this.poll_farewell(context)?.is_ready() && this.said > before {
            let _ = Pin::new(&mut this.carrier).poll_flush(context)?;
        }
        Pin::new(&mut this.carrier).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Farewell<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_farewell(context))?;
        let mut bytes = bytes;
        if this.is_announced && this.said == 0 {
            // No further than to where a frame may end.
            let end = if this.payload > 0 { this.payload } else { HEAD - this.head.len() };
            bytes = &bytes[..end.min(bytes.len())];
        }
        let written = ready!(Pin::new(&mut this.carrier).poll_write(context, bytes))?;
        this.follow(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, 0, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    #[tokio::test]
    async fn a_goaway_stands_between_two_frames_once_and_not_before_the_first_answer() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let stopping = Stopping::default();
        let mut connection = Farewell::new(ours, &stopping);
        stopping.announce();
        let (settings, answer, body) = (frame(4, b"ab"), frame(HEADERS, b"head"), frame(0, b"body"));
        let all = [&settings[..], &answer, &body, &body].concat();
        // In pieces that end anywhere.
        for piece in all.chunks(5) {
            connection.write_all(piece).await.unwrap();
        }
        drop(connection);
        let mut seen = Vec::new();
        theirs.read_to_end(&mut seen).await.unwrap();
        let mut kinds = Vec::new();
        let mut rest = &seen[..];
        while let [_, _, length, kind, ..] = *rest {
            kinds.push(kind);
            rest = &rest[HEAD + usize::from(length)..];
        }
        assert!(rest.is_empty());
        assert_eq!(kinds, [4, HEADERS, 7, 0, 0]);
    }

    #[tokio::test]
    async fn a_connection_that_rests_is_told_at_once() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let stopping = Stopping::default();
        let mut connection = Farewell::new(ours, &stopping);
        connection.write_all(&frame(HEADERS, b"head")).await.unwrap();
        let resting = tokio::spawn({
            let stopping = stopping.clone();
            async move {
                tokio::task::yield_now().await;
                stopping.announce();
            }
        });
        let mut nothing = [0; 1];
        let mut seen = vec![0; HEAD + 4 + GOAWAY.len()];
        tokio::select! {
            _ = connection.read(&mut nothing) => panic!("nobody says anything"),
            read = theirs.read_exact(&mut seen) => drop(read.unwrap()),
            () = tokio::time::sleep(std::time::Duration::from_secs(20)) => panic!("it is not told"),
        }
        resting.await.unwrap();
        assert_eq!(seen[HEAD + 4..], GOAWAY);
    }
}
