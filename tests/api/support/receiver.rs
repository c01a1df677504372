//! A receiver of pushed security events: a small HTTP server that keeps what it gets and answers as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signet::admin::webhook_deliveries::DeliveryView;
use signet::admin::webhooks::NewWebhook;
use signet::background;
use signet::protocol::security_event::{Delivery, Kind};
use signet::webhooks::Pusher;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::app::{App, header};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The request line and the headers, in lower case but for their values.
    pub head: String,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn jti(&self) -> String {
        super::app::claims(&self.body)["jti"].as_str().unwrap().to_owned()
    }
}

/// What is answered to a request. Without one in the queue, 202.
pub enum Reply {
    Status(u16, &'static str, String),
    /// Nothing, for ever.
    Silence,
}

pub fn status(status: u16) -> Reply {
    Reply::Status(status, "", String::new())
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let receiver =
            Self { address: listener.local_addr().unwrap(), received: Arc::default(), replies: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        receiver
    }

    /// An address where nobody listens.
    pub async fn nowhere() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    pub fn will(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The claims of what came last.
    pub fn last(&self) -> Value {
        super::app::claims(&self.received().last().expect("something came").body)
    }

    /// Waits for a process that pushes by itself.
    pub async fn wait_for(&self, count: usize) {
        let began = Instant::now();
        while self.received().len() < count {
            assert!(began.elapsed() < Duration::from_secs(60), "{} of {count} came", self.received().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answer(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let (head, length) = loop {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
                _ => return,
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                break (head.to_owned(), head.len() + 4 + length.unwrap_or(0));
            }
        };
        while bytes.len() < length {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        }
        let body = String::from_utf8(bytes[head.len() + 4..].to_vec()).unwrap();
        let reply = self.replies.lock().unwrap().pop_front();
        self.received.lock().unwrap().push(Received { head, body });
        match reply.unwrap_or(status(202)) {
            Reply::Silence => std::future::pending().await,
            Reply::Status(status, headers, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// A webhook named `siem` that wants everything.
pub fn to(endpoint: String) -> NewWebhook {
    let delivery = Delivery::Push;
    NewWebhook { name: "siem".to_owned(), delivery, endpoint: Some(endpoint), events: Vec::new(), authorization: None }
}

impl App {
    /// Makes a webhook `siem` that is pushed to, and wants these kinds, or everything.
    pub async fn webhook(&self, endpoint: String, events: &[Kind]) {
        let new = NewWebhook { events: events.to_vec(), ..to(endpoint) };
        self.admin().create_webhook(new).await.unwrap();
    }

    pub fn pusher(&self) -> Pusher {
        Pusher::new(background::outbox(&self.provider)).unwrap()
    }

    /// Pushes what is due; answers how many attempts that took.
    pub async fn push(&self) -> usize {
        self.pusher().push_due().await.unwrap()
    }

    /// The claims of a token, verified as a receiver does: with the published keys, by another library than it was signed
    /// with, and of exactly this type.
    pub async fn verified(&self, token: &str, audience: &str) -> Value {
        let keys: jsonwebtoken::jwk::JwkSet =
            serde_json::from_value(self.get("/.well-known/jwks.json").await.json()).unwrap();
        let unverified = header(token);
        assert_eq!((&unverified["typ"], &unverified["alg"]), (&json!("secevent+jwt"), &json!("ES256")));
        let key = keys.find(unverified["kid"].as_str().unwrap()).expect("a published key");
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[super::app::ISSUER]);
        validation.set_required_spec_claims(&["iss", "aud"]);
        // A security event token has none, so that it never passes for an access token (RFC 8417 §4.6).
        validation.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
        assert!(claims.get("exp").is_none() && claims.get("sub").is_none(), "{claims}");
        claims
    }
}

/// What a receiver may know the issuer by.
pub const AUTHORIZATION: &str = "Bearer copper-violin-93-harbour";

pub async fn deliveries(app: &App) -> Vec<DeliveryView> {
    app.admin().webhook_deliveries("siem", None, Uuid::nil(), 1000).await.unwrap()
}

pub async fn only_delivery(app: &App) -> DeliveryView {
    let mut all = deliveries(app).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

pub async fn disable_alice(app: &App) {
    app.admin().disable_user("alice").await.unwrap();
}
