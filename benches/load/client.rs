//! A lean HTTP/1.1 client (RFC 9112): requests are prebuilt bytes, one keep-alive connection, one request at a time.
//!
//! It reads what our own servers send, bodies with a Content-Length; anything else is an error. The less processor time
//! it takes, the more is left to the server that shares the machine.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::form_urlencoded;

pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

pub struct Answer<'a> {
    pub status: u16,
    /// What `Retry-After` says, where it is there.
    pub retry_after: Option<Duration>,
    pub body: &'a [u8],
}

#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the server closed the connection before the end of its answer")]
    Closed,
    #[error("an answer that this client does not read (no status or no Content-Length): {0}")]
    Unreadable(String),
}

struct Head {
    length: usize,
    status: u16,
    content_length: usize,
    closes: bool,
    retry_after: Option<Duration>,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, received: Vec::with_capacity(16 * 1024) }
    }

    /// Sends `request` and waits for its answer, connecting where there is no connection. An error closes it.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, ExchangeError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address).await?,
        };
        stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            if stream.read_buf(&mut self.received).await? == 0 {
                return Err(ExchangeError::Closed);
            }
            if let Some(head) = parse_head(&self.received)? {
                break head;
            }
        };
        while self.received.len() < head.length + head.content_length {
            if stream.read_buf(&mut self.received).await? == 0 {
                return Err(ExchangeError::Closed);
            }
        }
        if !head.closes {
            self.stream = Some(stream);
        }
        let body = &self.received[head.length..head.length + head.content_length];
        Ok(Answer { status: head.status, retry_after: head.retry_after, body })
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, std::io::Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// `None` while the head has not arrived whole.
fn parse_head(received: &[u8]) -> Result<Option<Head>, ExchangeError> {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let unreadable = || ExchangeError::Unreadable(String::from_utf8_lossy(&received[..end]).into_owned());
    let head = str::from_utf8(&received[..end]).map_err(|_| unreadable())?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status_line.and_then(|line| line.get(..3)?.parse().ok()).ok_or_else(unreadable)?;
    let (mut content_length, mut closes, mut retry_after) = (None, false, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            content_length = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            retry_after = value.trim().parse().ok().map(Duration::from_secs);
        }
    }
    let content_length = content_length.ok_or_else(unreadable)?;
    Ok(Some(Head { length: end + 4, status, content_length, closes, retry_after }))
}

pub fn fetch(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

/// A form post; `authorization` is the value of that header.
pub fn post(address: SocketAddr, path: &str, authorization: &str, form: &[(&str, &str)]) -> Vec<u8> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The same request as a proxy forwards it for `address`.
pub fn forwarded(request: &[u8], address: &str) -> Vec<u8> {
    let head = request.windows(2).position(|window| window == b"\r\n").map_or(0, |end| end + 2);
    let (line, rest) = request.split_at(head);
    [line, format!("X-Forwarded-For: {address}\r\n").as_bytes(), rest].concat()
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined and put in base64.
pub fn basic_authorization(client_id: &str, client_secret: &str) -> String {
    let encoded = |part: &str| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(client_secret))))
}
