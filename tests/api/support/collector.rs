//! A collector of traces: a small HTTP server that takes OTLP as protobuf and keeps the spans.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
    /// What is answered; 0 for nothing, ever.
    status: Arc<AtomicU16>,
}

/// A request as it came.
#[derive(Clone)]
pub struct Post {
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Collector {
    pub async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self { address, posts: Arc::default(), status: Arc::new(AtomicU16::new(status)) };
        let serving = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        collector
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn will_answer(&self, status: u16) {
        self.status.store(status, Ordering::Release);
    }

    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The spans so far, with the attributes of their resource.
    pub fn spans(&self) -> Vec<(Span, Vec<KeyValue>)> {
        let mut spans = Vec::new();
        for post in self.posts() {
            let request = ExportTraceServiceRequest::decode(post.body.as_slice()).expect("OTLP");
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.unwrap_or_default().attributes;
                let all = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(all.map(|span| (span, resource.clone())));
            }
        }
        spans
    }

    /// Waits for a span of this name that passes.
    pub async fn span(&self, name: &str, passes: impl Fn(&Span) -> bool) -> Span {
        let mut found = None;
        eventually(&format!("a span {name}"), || {
            found = self.spans().into_iter().map(|(span, _)| span).find(|span| span.name == name && passes(span));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    async fn answer(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let mut end = None;
        loop {
            if let Some((head, whole)) = &end
                && bytes.len() >= *whole
            {
                let head = String::clone(head);
                let body = bytes[head.len() + 4..].to_vec();
                self.posts.lock().unwrap().push(Post { head, body });
                break;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
                _ => return,
            }
            if end.is_none()
                && let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                end = Some((head, at + 4 + length.unwrap_or(0)));
            }
        }
        match self.status.load(Ordering::Acquire) {
            0 => std::future::pending().await,
            status => {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// The value of an attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?;
    match value {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text),
        AnyValue { value: Some(Value::IntValue(number)) } => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
