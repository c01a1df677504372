//! An issuer on a loopback port whose answers a test sets, and whose requests it counts.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part of it")]

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use signet_verifier::client::ClientBuilder;
use signet_verifier::{Algorithm, Client, Policy, UnixTime};
use tokio::sync::mpsc;

use crate::support::{AUDIENCE, NOW, Signer, claims, jwks, list_claims};

/// How a path is answered.
#[derive(Clone)]
pub enum Answer {
    Document(String),
    Status(u16),
    Redirect(String),
    /// Only after so long.
    Slow(Duration, String),
    Never,
    /// Of so many bytes.
    Endless(usize),
}

#[derive(Default)]
pub struct Counts {
    pub metadata: AtomicUsize,
    pub jwks: AtomicUsize,
    pub not_modified: AtomicUsize,
    pub lists: AtomicUsize,
    pub feeds: AtomicUsize,
}

pub struct Issuer {
    pub url: String,
    pub signer: Signer,
    pub counts: Counts,
    pub jwks: Mutex<Answer>,
    pub list: Mutex<Answer>,
    pub max_age: AtomicUsize,
    pub now: Arc<AtomicI64>,
    feed: Mutex<Option<mpsc::UnboundedSender<String>>>,
    pub last_event_ids: Mutex<Vec<String>>,
}

impl Issuer {
    pub async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let signer = Signer::generate(Algorithm::ES256, "k1");
        let issuer = Arc::new(Self {
            jwks: Mutex::new(Answer::Document(jwks([&signer]).to_string())),
            list: Mutex::new(Answer::Document(signer.list_token(&list_claims(&url, NOW, 1, &[0; 16])))),
            url,
            signer,
            counts: Counts::default(),
            max_age: AtomicUsize::new(300),
            now: Arc::new(AtomicI64::new(NOW)),
            feed: Mutex::default(),
            last_event_ids: Mutex::default(),
        });
        let app = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(keys))
            .route("/status-lists/{id}", get(list))
            .route("/status-lists/{id}/changes", get(changes))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        issuer
    }

    pub fn builder(&self) -> ClientBuilder {
        let now = self.now.clone();
        Client::builder(Policy::new(&self.url, AUDIENCE))
            .clock(move || UnixTime::from_secs(now.load(Ordering::SeqCst)))
            .timeout(Duration::from_millis(400))
            // Only what a request begins, unless a test wants more.
            .maintenance_period(Duration::from_hours(1))
    }

    pub async fn client(&self) -> Client {
        let client = self.builder().build().unwrap();
        // The first round of maintenance is at once: what follows is the test's doing.
        client.warm_up().await.unwrap();
        client
    }

    pub fn token(&self, index: u64) -> String {
        self.token_by(&self.signer, index)
    }

    pub fn token_by(&self, signer: &Signer, index: u64) -> String {
        // Valid for as long as any test lasts.
        let claims = crate::support::with(claims(&self.url, NOW, index), json!({"exp": NOW + 1_000_000}));
        signer.access_token(&claims)
    }

    pub fn publish_keys<'a>(&self, signers: impl IntoIterator<Item = &'a Signer>) {
        *self.jwks.lock().unwrap() = Answer::Document(jwks(signers).to_string());
    }

    /// A list that was made now, with these indexes revoked.
    pub fn publish_list(&self, revoked: &[usize]) {
        let mut bytes = [0; 16];
        for index in revoked {
            bytes[index / 8] |= 1 << (index % 8);
        }
        let claims = list_claims(&self.url, self.now.load(Ordering::SeqCst), 1, &bytes);
        *self.list.lock().unwrap() = Answer::Document(self.signer.list_token(&claims));
    }

    pub fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Sends to whoever follows; `false` if nobody does.
    pub fn push(&self, event: &str) -> bool {
        self.feed.lock().unwrap().as_ref().is_some_and(|feed| feed.send(event.to_owned()).is_ok())
    }

    /// Cuts the connection of whoever follows.
    pub fn cut(&self) {
        self.feed.lock().unwrap().take();
    }

    async fn answer(&self, answer: Answer, headers: &HeaderMap) -> Response {
        let body = match answer {
            Answer::Document(body) => body,
            Answer::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
            Answer::Redirect(to) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
            Answer::Slow(delay, body) => {
                tokio::time::sleep(delay).await;
                body
            }
            Answer::Never => std::future::pending().await,
            // Without a Content-Length.
            Answer::Endless(length) => {
                let chunks = (0..length / 1000).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1000])));
                return Body::from_stream(futures_util::stream::iter(chunks)).into_response();
            }
        };
        let etag = format!("\"{:x}\"", body.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte)));
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            self.counts.not_modified.fetch_add(1, Ordering::SeqCst);
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let cache_control = format!("public, max-age={}", self.max_age.load(Ordering::SeqCst));
        ([(header::ETAG, etag), (header::CACHE_CONTROL, cache_control)], body).into_response()
    }
}

async fn metadata(State(issuer): State<Arc<Issuer>>) -> String {
    issuer.counts.metadata.fetch_add(1, Ordering::SeqCst);
    let metadata: Value = json!({"issuer": issuer.url, "jwks_uri": format!("{}/jwks", issuer.url)});
    metadata.to_string()
}

async fn keys(State(issuer): State<Arc<Issuer>>, headers: HeaderMap) -> Response {
    issuer.counts.jwks.fetch_add(1, Ordering::SeqCst);
    let answer = issuer.jwks.lock().unwrap().clone();
    issuer.answer(answer, &headers).await
}

async fn list(State(issuer): State<Arc<Issuer>>, Path(_): Path<u64>, headers: HeaderMap) -> Response {
    issuer.counts.lists.fetch_add(1, Ordering::SeqCst);
    let answer = issuer.list.lock().unwrap().clone();
    issuer.answer(answer, &headers).await
}

async fn changes(State(issuer): State<Arc<Issuer>>, Path(_): Path<u64>, headers: HeaderMap) -> Response {
    issuer.counts.feeds.fetch_add(1, Ordering::SeqCst);
    if let Some(id) = headers.get("last-event-id") {
        issuer.last_event_ids.lock().unwrap().push(id.to_str().unwrap().to_owned());
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let first = match headers.get("last-event-id") {
        Some(_) => "event: revoked\ndata: {\"revoked\":[]}\n\n",
        None => "id: 6\nevent: reset\ndata: {}\n\n",
    };
    sender.send(first.to_owned()).unwrap();
    *issuer.feed.lock().unwrap() = Some(sender);
    let events = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|event| (Ok::<_, std::io::Error>(event), receiver))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(Box::pin(events))).into_response()
}
