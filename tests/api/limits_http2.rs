//! HTTP/2 (RFC 9113): what a client that abuses it gets, what others feel of it, and that an honest one misses nothing. Frames
//! are written by hand where no client library would send them.

use std::time::Duration;

use signet::admin::settings::SettingsChange;
use signet::http::{Bounds, Limits};
use signet::password::Parameters;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::support::app::{Answer, App, Backend, Variant, run};
use crate::support::guesses::change;
use crate::support::limited::{self, Limited, Stream};

const BOUND: Duration = Duration::from_secs(10);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head in HPACK (RFC 7541) without compression.
fn head(method: &str, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let form = "application/x-www-form-urlencoded";
    // `:scheme: http`, then the names of the static table: `:method`, `:path`, `:authority`, and 31, `content-type`.
    [vec![0x86, 0x02], text(method), vec![0x04], text(path), vec![0x01], text("a"), vec![0x0f, 0x10], text(form)]
        .concat()
}

struct Frames {
    stream: Box<dyn Stream>,
    /// Why the other side ends the connection, once it has said so.
    farewell: Option<u32>,
}

#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// Of `RST_STREAM`, and of `GOAWAY`, whose comes after the last stream.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Frames {
    async fn to(server: &Limited) -> Self {
        let mut stream = server.connect_for(b"h2").await;
        let start = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&start).await.unwrap();
        Self { stream, farewell: None }
    }

    async fn send(&mut self, frames: &[u8]) -> bool {
        self.stream.write_all(frames).await.is_ok()
    }

    /// `None` at the end of the connection.
    async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut start = [0; 9];
            self.stream.read_exact(&mut start).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(start[5..].try_into().unwrap());
            Some(Frame { kind: start[3], stream, payload })
        };
        let frame = timeout(BOUND, read).await.expect("something comes, or the connection is closed")?;
        if frame.kind == GOAWAY {
            self.farewell = Some(frame.code());
        }
        Some(frame)
    }

    /// What comes up to the end of the connection.
    async fn rest(&mut self) -> Vec<Frame> {
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
    async fn is_read(&mut self) -> bool {
        if !self.send(&frame(PING, 0, 0, b"12345678")).await {
            return false;
        }
        while let Some(frame) = self.next().await {
            if frame.kind == PING {
                return true;
            }
        }
        false
    }
}

async fn is_served(app: &App, server: &Limited) -> bool {
    let request = app.http.get(server.url("/.well-known/jwks.json")).send();
    timeout(BOUND, request).await.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == 200))
}

#[test]
fn ten_thousand_streams_opened_and_reset_end_the_connection_and_others_are_served() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        let mut flood = Vec::new();
        for number in 0..10_000_u32 {
            let stream = 2 * number + 1;
            flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", "/.well-known/jwks.json")));
            flood.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
        }
        let (_, served) = tokio::join!(frames.send(&flood), is_served(&app, &server));
        assert!(served);
        let rest = frames.rest().await;
        let answered = rest.iter().filter(|frame| frame.kind == HEADERS).count();
        assert!(answered < 1000, "{answered}");
        assert!(is_served(&app, &server).await);
    });
}

#[test]
fn a_client_that_gives_up_more_than_it_takes_is_told_to_calm_down() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::tls(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        let mut given_up = 0;
        // One by one, each after it was looked at: no flood that could be told by its pace.
        for number in 0..400_u32 {
            let stream = 2 * number + 1;
            frames.send(&frame(HEADERS, END_HEADERS, stream, &head("POST", "/oauth2/token"))).await;
            if !frames.is_read().await || !frames.send(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())).await {
                break;
            }
            given_up += 1;
        }
        assert!((90..300).contains(&given_up), "{given_up}");
        frames.rest().await;
        assert_eq!(frames.farewell, Some(ENHANCE_YOUR_CALM));
    });
}

#[test]
fn a_client_that_takes_its_answers_may_give_some_up() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        for number in 0..300_u32 {
            let stream = 4 * number + 1;
            let fetch = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", "/healthz"));
            assert!(frames.send(&fetch).await);
            while frames.next().await.expect("it goes on").kind != DATA {}
            let posted = frame(HEADERS, END_HEADERS, stream + 2, &head("POST", "/oauth2/token"));
            assert!(frames.send(&posted).await && frames.is_read().await, "{number}");
            assert!(frames.send(&frame(RST_STREAM, 0, stream + 2, &CANCEL.to_be_bytes())).await, "{number}");
        }
        assert!(frames.is_read().await);
    });
}

#[test]
fn streams_beyond_a_hundred_are_refused_and_the_others_go_on() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        assert!(frames.is_read().await);
        for number in 0..130_u32 {
            assert!(frames.send(&frame(HEADERS, END_HEADERS, 2 * number + 1, &head("POST", "/oauth2/token"))).await);
        }
        let mut refused = Vec::new();
        while refused.len() < 30 {
            let frame = frames.next().await.expect("it goes on");
            if frame.kind == RST_STREAM {
                assert_eq!(frame.code(), REFUSED_STREAM);
                refused.push(frame.stream);
            }
        }
        assert!(refused.iter().all(|stream| *stream > 200), "{refused:?}");
        // The first is answered when it is whole.
        let form = format!("grant_type=client_credentials&client_id=erp&client_secret={}", app.secret);
        frames.send(&frame(DATA, END_STREAM, 1, form.as_bytes())).await;
        loop {
            let frame = frames.next().await.expect("it goes on");
            if frame.kind == DATA {
                assert_eq!(frame.stream, 1);
                assert!(String::from_utf8_lossy(&frame.payload).contains("access_token"));
                break;
            }
        }
        assert!(is_served(&app, &server).await);
    });
}

#[test]
fn a_head_without_end_ends_the_connection() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        frames.send(&frame(HEADERS, END_STREAM, 1, &head("GET", "/healthz"))).await;
        let field = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x3e][..], &[b'y'; 8064]].concat();
        let mut sent = 0;
        while sent < 4096 && frames.send(&frame(CONTINUATION, 0, 1, &field)).await {
            sent += 1;
        }
        assert!(sent < 4096, "32 MB of a head were taken");
        assert!(is_served(&app, &server).await);
    });
}

#[test]
fn a_head_that_is_too_large_is_refused_alone() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        for (length, status) in [(20_000, Some(200)), (40_000, Some(431)), (20_000, Some(200))] {
            let answer = http.get(server.url("/healthz")).header("x-long", "y".repeat(length)).send().await;
            let answered = answer.ok().map(|answer| answer.status().as_u16());
            assert!(answered == status || (status == Some(431) && answered.is_none()), "{length}: {answered:?}");
        }
    });
}

#[test]
fn who_names_two_hosts_is_refused() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        for (host, is_sound) in [(None, true), (Some("a.example"), true), (Some("A.example"), true), (Some("b"), false)]
        {
            let mut request = http::Request::get("http://a.example/healthz");
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
            let answer = timeout(BOUND, answer).await.unwrap();
            assert_eq!(
                answer.as_ref().map(|answer| answer.status().as_u16()).ok(),
                is_sound.then_some(200),
                "{host:?}"
            );
        }
    });
}

#[test]
fn who_does_not_take_its_answer_loses_the_stream() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, Limits { arrival: Duration::from_millis(700), ..limited::limits() });
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        // No room for a single byte of an answer.
        let (mut client, connection) =
            builder.initial_window_size(0).handshake::<_, actix_web::web::Bytes>(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get("http://a/.well-known/jwks.json").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        let mut answer = timeout(BOUND, answer).await.unwrap().unwrap();
        assert!(is_served(&app, &server).await);
        let end = timeout(BOUND, answer.body_mut().data()).await.expect("it is given up").unwrap().unwrap_err();
        assert_eq!(end.reason(), Some(h2::Reason::CANCEL), "{end}");
    });
}

#[test]
fn bodies_that_nobody_reads_leave_room_for_others() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        for number in 0..20 {
            let unread = http.post(server.url("/healthz")).body(vec![b'x'; 60_000]);
            let answer = timeout(BOUND, unread.send()).await.expect("it is answered").unwrap();
            assert_eq!(answer.status(), 405, "{number}");
            answer.bytes().await.unwrap();
        }
        // Larger than a window, and read.
        let form = [("grant_type", "client_credentials"), ("padding", &"x".repeat(50_000))];
        for _ in 0..4 {
            let request = http.post(server.url("/oauth2/token")).basic_auth("erp", Some(&app.secret)).form(&form);
            timeout(BOUND, Answer::of(request)).await.expect("it is answered").tokens();
        }
    });
}

#[test]
fn head_has_the_fields_of_get_and_no_content() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let get = http.get(server.url("/.well-known/jwks.json")).send().await.unwrap();
        let head = http.head(server.url("/.well-known/jwks.json")).send().await.unwrap();
        for name in ["content-length", "content-type", "cache-control", "x-content-type-options", "date"] {
            assert_eq!(get.headers().get(name), head.headers().get(name), "{name}");
            assert!(get.headers().contains_key(name), "{name}");
        }
        assert_eq!(get.headers()["date"], "Mon, 05 Jan 2026 12:00:00 GMT");
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        assert!(!get.bytes().await.unwrap().is_empty());
    });
}

#[test]
fn who_resets_a_stream_leaves_the_queue_for_a_password_worker() {
    run(Backend::Sqlite, |app| async move {
        change(&app, SettingsChange { login_throttling: Some(false), ..SettingsChange::default() }).await;
        let settings = [("SIGNET_PASSWORD_WORKERS", "1"), ("SIGNET_PASSWORD_QUEUE", "50")];
        let parameters = Parameters::new(64 * 1024, 8, 1).unwrap();
        let app = app.variant(Variant { parameters, settings: &settings, ..Variant::default() }).await;
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        let computed = app.provider.passwords.computations();
        let secret = &app.secret;
        for number in 0..20_u32 {
            let stream = 2 * number + 1;
            let form = format!("grant_type=password&client_id=erp&client_secret={secret}&username=alice&password=x");
            frames.send(&frame(HEADERS, END_HEADERS, stream, &head("POST", "/oauth2/token"))).await;
            frames.send(&frame(DATA, END_STREAM, stream, form.as_bytes())).await;
        }
        server.until("all are in flight", |load| load.in_flight >= 15).await;
        for number in 0..20_u32 {
            frames.send(&frame(RST_STREAM, 0, 2 * number + 1, &CANCEL.to_be_bytes())).await;
        }
        server.until("none is in flight", |load| load.in_flight == 0).await;
        let computed = app.provider.passwords.computations() - computed;
        assert!(computed < 15, "{computed} were hashed for nobody");
        assert!(frames.is_read().await, "the connection is there");
    });
}

#[test]
fn a_listener_that_resets_its_stream_makes_room_for_another() {
    run(Backend::Sqlite, |app| async move {
        // A list that one can listen to.
        app.log_in().await;
        // Half of two connections listen: one.
        let bounds = Bounds { connections: 2, ..Bounds::default() };
        let server = limited::plain(&app, Limits { bounds, ..limited::limits() });
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let listen = async || http.get(server.url("/status-lists/1/changes")).send().await.unwrap();
        let mut listener = listen().await;
        assert_eq!(listener.status(), 200);
        listener.chunk().await.unwrap();
        assert_eq!(listen().await.status(), 503, "there is one already");
        drop(listener);
        let another = async {
            while listen().await.status() != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(BOUND, another).await.expect("long before the next event is due");
    });
}

#[test]
fn a_server_that_stops_says_so_and_answers_what_it_has() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        assert!(frames.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/oauth2/token"))).await);
        assert!(frames.is_read().await);
        let Limited { stop, .. } = server;
        let stopping = tokio::task::spawn_local(stop.drain());
        while frames.farewell.is_none() {
            frames.next().await.expect("it is told");
        }
        assert_eq!(frames.farewell, Some(0), "without a fault");
        let form = format!("grant_type=client_credentials&client_id=erp&client_secret={}", app.secret);
        frames.send(&frame(DATA, END_STREAM, 1, form.as_bytes())).await;
        // The other side says by a ping when it takes no more streams, and closes after the last.
        let mut is_answered = false;
        while !is_answered {
            let frame = frames.next().await.expect("what was begun is answered");
            is_answered = frame.kind == DATA && String::from_utf8_lossy(&frame.payload).contains("access_token");
        }
        timeout(BOUND, stopping).await.unwrap().unwrap();
    });
}
