//! Frames of HTTP/2 (RFC 9113) written and read by hand, where no client library would send them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::app::App;
use super::limited::{Limited, Stream};

/// What comes at all comes in this time, also where the machine is busy.
pub const BOUND: Duration = Duration::from_secs(10);

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
/// Of SETTINGS and PING.
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// RFC 9113 §4.1.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head in HPACK (RFC 7541) without compression.
pub fn head(method: &str, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let form = "application/x-www-form-urlencoded";
    // `:scheme: http`, then the names of the static table: `:method`, `:path`, `:authority`, and 31, `content-type`.
    [vec![0x86, 0x02], text(method), vec![0x04], text(path), vec![0x01], text("a"), vec![0x0f, 0x10], text(form)]
        .concat()
}

pub struct Frames {
    stream: Box<dyn Stream>,
    /// Why the other side ends the connection, once it has said so.
    pub farewell: Option<u32>,
}

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Of `RST_STREAM`, and of `GOAWAY`, whose comes after the last stream.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Frames {
    pub async fn to(server: &Limited) -> Self {
        let mut stream = server.connect_for(b"h2").await;
        let start = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&start).await.unwrap();
        Self { stream, farewell: None }
    }

    /// `false` once the other side takes no more.
    pub async fn send(&mut self, frames: &[u8]) -> bool {
        self.stream.write_all(frames).await.is_ok()
    }

    /// `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut start = [0; 9];
            self.stream.read_exact(&mut start).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(start[5..].try_into().unwrap());
            Some(Frame { kind: start[3], flags: start[4], stream, payload })
        };
        let frame = timeout(BOUND, read).await.expect("something comes, or the connection is closed")?;
        if frame.kind == GOAWAY {
            self.farewell = Some(frame.code());
        }
        Some(frame)
    }

    /// What comes up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let all = async {
            while let Some(frame) = self.next().await {
                frames.push(frame);
            }
        };
        timeout(BOUND, all).await.expect("the connection is closed");
        frames
    }

    /// Waits until the other side has read all that was sent.
    pub async fn is_read(&mut self) -> bool {
        if !self.send(&frame(PING, 0, 0, b"12345678")).await {
            return false;
        }
        while let Some(frame) = self.next().await {
            if frame.kind == PING && frame.flags & ACK != 0 {
                return true;
            }
        }
        false
    }

    /// The head of a request whose body may follow.
    pub async fn begin(&mut self, stream: u32, method: &str, path: &str) -> bool {
        self.send(&frame(HEADERS, END_HEADERS, stream, &head(method, path))).await
    }

    /// A request without a body.
    pub async fn ask(&mut self, stream: u32, path: &str) -> bool {
        self.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", path))).await
    }

    pub async fn reset(&mut self, stream: u32) -> bool {
        self.send(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())).await
    }

    /// What the stream is answered, to its end or to its being reset; other streams are passed over.
    pub async fn answered(&mut self, stream: u32) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let frame = self.next().await.expect("the connection is there");
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                // RFC 7541 §6.1, of the static table: 200 is the eighth.
                HEADERS => outcome.is_200 = frame.payload.first() == Some(&0x88),
                DATA => outcome.body.push_str(&String::from_utf8_lossy(&frame.payload)),
                RST_STREAM => {
                    outcome.reset = Some(frame.code());
                    return outcome;
                }
                _ => continue,
            }
            if frame.flags & END_STREAM != 0 {
                return outcome;
            }
        }
    }
}

/// What became of a stream.
#[derive(Debug, Default)]
pub struct Outcome {
    pub is_200: bool,
    pub body: String,
    pub reset: Option<u32>,
}

/// Whether somebody else gets an answer.
pub async fn is_served(app: &App, server: &Limited) -> bool {
    let request = app.http.get(server.url("/.well-known/jwks.json")).send();
    timeout(BOUND, request).await.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == 200))
}
