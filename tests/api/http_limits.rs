//! The HTTP server before any rule of OAuth: slow, silent, huge and malformed requests, and what they cost others.

use std::time::Duration;

use signet::http::{self, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::support::app::{App, Backend, run};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// How long a request may take to arrive in these tests.
const ARRIVAL: Duration = Duration::from_secs(1);

/// By then, at the latest, whoever takes longer has lost the connection. (Generous: the machine may be busy.)
const BOUND: Duration = Duration::from_secs(10);

/// A server that does not wait long.
fn impatient(app: &App) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = Limits {
        workers: 2,
        drain: Duration::from_secs(1),
        arrival: ARRIVAL,
        keep_alive: Duration::from_secs(60),
        trusted_proxies: Vec::new().into(),
        bounds: http::Bounds::default(),
    };
    let listening = http::listen(&app.provider, listener, None, limits).unwrap();
    let address = listening.address.to_string();
    tokio::task::spawn_local(listening.run());
    address
}

/// Sends `start`, then `dribble` again and again; answers what came back until the connection was closed.
async fn dribbled(address: &str, start: &str, dribble: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let dribbling = async {
        // Ends when the other side has closed.
        while dribble.is_empty() || writing.write_all(dribble.as_bytes()).await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let closed = async {
        tokio::select! {
            // A reset is an end, too.
            _ = reading.read_to_end(&mut answer) => {}
            () = dribbling => {}
        }
    };
    timeout(BOUND, closed).await.expect("the connection is closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may answer and close before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(BOUND, stream.read_to_end(&mut answer)).await.expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_served(app: &App, address: &str) -> bool {
    let request = app.http.get(format!("http://{address}/.well-known/jwks.json")).send();
    timeout(BOUND, request).await.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == 200))
}

#[test]
fn a_head_that_dribbles_in_is_cut_off_while_others_are_served() {
    run(Backend::Sqlite, |app| async move {
        let address = impatient(&app);
        let slow = dribbled(&address, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nX-Slow: ", "x");
        let (answer, served) = tokio::join!(slow, is_served(&app, &address));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(served);
    });
}

#[test]
fn a_body_that_dribbles_in_is_cut_off_while_others_are_served() {
    run(Backend::Sqlite, |app| async move {
        let address = impatient(&app);
        for length in ["Content-Length: 60000", "Transfer-Encoding: chunked"] {
            let start = format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{FORM}\r\n{length}\r\n\r\n");
            let dribble = if length.starts_with('C') { "x" } else { "1\r\nx\r\n" };
            let slow = dribbled(&address, &start, dribble);
            let (answer, served) = tokio::join!(slow, is_served(&app, &address));
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
            assert!(answer.contains(r#""error":"invalid_request""#) && served, "{answer}");
        }
    });
}

#[test]
fn a_second_head_on_a_connection_has_no_more_time_than_the_first() {
    run(Backend::Sqlite, |app| async move {
        let address = impatient(&app);
        let first = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = dribbled(&address, &format!("{first}GET / HTTP/1.1\r\nX-Slow: "), "x").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    run(Backend::Sqlite, |app| async move {
        assert_eq!(dribbled(&impatient(&app), "", "").await, "");
    });
}

#[test]
fn two_hundred_slow_clients_do_not_hurt_an_honest_one() {
    run(Backend::Sqlite, |app| async move {
        let address = impatient(&app);
        let mut slow = Vec::new();
        for number in 0..200 {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            let start: &[u8] = match number % 3 {
                0 => b"",
                1 => b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\n",
                _ => b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n",
            };
            stream.write_all(start).await.unwrap();
            slow.push(stream);
        }
        let began = Instant::now();
        for _ in 0..20 {
            assert!(is_served(&app, &address).await);
        }
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        drop(slow);
    });
}

#[test]
fn a_head_that_is_too_large_is_refused_and_the_connection_closed() {
    run(Backend::Sqlite, |app| async move {
        let address = impatient(&app);
        let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(300_000));
        let answer = raw(&address, long.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        let path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(300_000));
        let answer = raw(&address, path.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        let many: String = (0..500).map(|number| format!("X-{number}: 1\r\n")).collect();
        let answer = raw(&address, format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(is_served(&app, &address).await);
    });
}

#[test]
fn what_two_readers_could_take_for_different_requests_is_refused_and_the_connection_closed() {
    run(Backend::Sqlite, |app| async move {
        let address = app.base.strip_prefix("http://").unwrap().to_owned();
        let smuggled = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        for (head, body) in [
            ("Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked", chunk.as_str()),
            ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4", &chunk),
            ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity", &chunk),
            ("Host: a\r\nTransfer-Encoding: identity, chunked", &chunk),
            ("Host: a\r\nTransfer-Encoding: \"chunked\"", &chunk),
            ("Host: a\r\nTransfer-Encoding : chunked", &chunk),
            ("Host: a\r\nTransfer-Encoding:\x0bchunked", &chunk),
            ("Host: a\r\nContent-Length: 0\r\nContent-Length: 36", smuggled),
            ("Host: a\r\nContent-Length: 0, 36", smuggled),
            ("Host: a\r\nContent-Length: +0", smuggled),
            ("Host: a\r\nContent-Length: 0x0", smuggled),
            ("Host: a\r\nContent-Length: ", smuggled),
            ("Host: a\r\nHost: b\r\nContent-Length: 0", smuggled),
            ("Content-Length: 0", smuggled),
            ("Host: a\r\nX: y\rContent-Length: 0", smuggled),
            ("Host: a\r\n Content-Length: 0", smuggled),
            ("Host: a\r\nX\x00: y\r\nContent-Length: 0", smuggled),
        ] {
            let request = format!("POST /oauth2/token HTTP/1.1\r\n{FORM}\r\n{head}\r\n\r\n{body}");
            let answer = raw(&address, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head:?}: {answer}");
        }
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n",
            "ffffffffffffffffff\r\nx\r\n",
            "5\r\nhelloXX0\r\n\r\n",
        ] {
            let head = format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{FORM}\r\nTransfer-Encoding: chunked");
            let answer = raw(&address, format!("{head}\r\n\r\n{body}").as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{body:?}: {answer}");
        }
    });
}

#[test]
fn http_2_with_prior_knowledge_is_served() {
    run(Backend::Sqlite, |app| async move {
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let base = &app.base;
        let keys = http.get(format!("{base}/.well-known/jwks.json")).send().await.unwrap();
        assert_eq!((keys.version(), keys.status().as_u16()), (reqwest::Version::HTTP_2, 200));
        let request = http.post(format!("{base}/oauth2/token")).basic_auth("erp", Some(&app.secret));
        let form = [("grant_type", "client_credentials")];
        let tokens = crate::support::app::Answer::of(request.try_clone().unwrap().form(&form)).await;
        tokens.tokens();
        let refused = request.header("content-type", "application/x-www-form-urlencoded").body("x".repeat(70_000));
        crate::support::app::Answer::of(refused).await.refused(413, "invalid_request");
    });
}
