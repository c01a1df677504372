//! What two readers of HTTP/1 could take for different requests (RFC 9112 §11.2) is refused with 400, and nothing that
//! follows it on the connection is taken for a request; odd requests that are sound are answered. Over sockets as they are,
//! with and without TLS.

use std::time::Duration;

use signet::http::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::support::app::{App, Backend, run};
use crate::support::limited::{self, Limited};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const BOUND: Duration = Duration::from_secs(10);

/// Everything that is answered until the connection is closed.
async fn exchanged(server: &Limited, request: &[u8], piece: usize) -> String {
    let mut stream = server.connect().await;
    for piece in request.chunks(piece) {
        // The other side may answer and close before it has read all.
        if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = timeout(BOUND, stream.read_to_end(&mut answer)).await.expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

fn answers(text: &str) -> Vec<&str> {
    text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)).collect()
}

/// Requests of which a reader could make one or two.
fn ambiguous() -> Vec<String> {
    let length = SMUGGLED.len();
    let chunk = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let mut requests = Vec::new();
    for (fields, body) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", chunk.as_str()),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", &chunk),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", &chunk),
        ("Transfer-Encoding: chunked, identity", &chunk),
        ("Transfer-Encoding: gzip, chunked", &chunk),
        ("Transfer-Encoding: xchunked", &chunk),
        ("Transfer-Encoding: identity", SMUGGLED),
        ("Transfer-Encoding : chunked", &chunk),
        ("Transfer-Encoding\t: chunked", &chunk),
        ("Transfer-Encoding: chunked\n", &chunk),
        ("X: y\nTransfer-Encoding: chunked", &chunk),
        ("X: y\r\n Transfer-Encoding: chunked", &chunk),
        ("X: y\rTransfer-Encoding: chunked", &chunk),
        ("X: y\0\r\nTransfer-Encoding: chunked", &chunk),
        ("Content-Length: 0\r\nContent-Length: 0", SMUGGLED),
        ("Content-Length: 0\r\nContent-Length: 34", SMUGGLED),
        ("Content-Length: 0, 0", SMUGGLED),
        ("Content-Length: -1", SMUGGLED),
        ("Content-Length: +0", SMUGGLED),
        ("Content-Length: 1e1", SMUGGLED),
        ("Content-Length: 18446744073709551616", SMUGGLED),
        ("Content-Length : 0", SMUGGLED),
        ("Host: a", SMUGGLED),
        ("Host: b", SMUGGLED),
        ("X", SMUGGLED),
    ] {
        requests.push(format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{FORM}\r\n{fields}\r\n\r\n{body}"));
    }
    let chunked = format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{FORM}\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunks in [
        "3\na=b\r\n0\r\n\r\n".to_owned(),
        "3\r\na=b\n0\r\n\r\n".to_owned(),
        "3\r\na=b\r\n0\n\r\n".to_owned(),
        "3\r\na=b\r\n0\r\n\n".to_owned(),
        "0x3\r\na=b\r\n0\r\n\r\n".to_owned(),
        "-3\r\na=b\r\n0\r\n\r\n".to_owned(),
        "11111111111111113\r\na=b\r\n0\r\n\r\n".to_owned(),
        "3\r\na=bXX\r\n0\r\n\r\n".to_owned(),
        format!("3;x={}\r\na=b\r\n0\r\n\r\n", "y".repeat(300)),
        "3\r\na=b\r\n0\r\nX : y\r\n\r\n".to_owned(),
        format!("3\r\na=b\r\n0\r\n{}\r\n", "X: y\r\n".repeat(20)),
    ] {
        requests.push(format!("{chunked}{chunks}{SMUGGLED}"));
    }
    for head in [
        "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: a\n\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\n",
        "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a@b/healthz HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "POST /oauth2/token HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        requests.push(format!("{head}{SMUGGLED}"));
    }
    requests
}

async fn nothing_ambiguous_is_read_on(server: &Limited) {
    for request in ambiguous() {
        for piece in [usize::MAX, 7] {
            let answer = exchanged(server, request.as_bytes(), piece).await;
            let found = answers(&answer);
            // Where only the trailers are unsound the request itself may be answered already; nothing else ever is.
            assert_eq!(found, ["400"], "{request:?} in {piece}: {answer}");
            assert!(!answer.contains("\r\n\r\nok"), "{request:?}: {answer}");
        }
    }
}

async fn what_is_odd_and_sound_is_answered(app: &App, server: &Limited) {
    let form = format!("grant_type=client_credentials&client_id=erp&client_secret={}", app.secret);
    let (a, b) = form.split_at(11);
    let chunks = format!("{:X};q=\"1\";x\r\n{a}\r\n0{:x}\r\n{b}\r\n000\r\nX-Trailer: y\r\n\r\n", a.len(), b.len());
    let length = form.len();
    let token = "/oauth2/token HTTP/1.1\r\nHost: a.example";
    let close = "Connection: close";
    for (request, status) in [
        (format!("POST {token}\r\n{FORM}\r\n{close}\r\nCONTENT-LENGTH:\t{length} \r\n\r\n{form}"), "200"),
        (format!("POST {token}\r\n{FORM}\r\n{close}\r\nCONTENT-LENGTH:\t000{length} \r\n\r\n{form}"), "200"),
        (format!("POST {token}\r\n{FORM}\r\n{close}\r\ntransfer-encoding: Chunked\r\n\r\n{chunks}"), "200"),
        (
            format!(
                "POST http://A.example/oauth2/token HTTP/1.1\r\nHost: a.example\r\n{FORM}\r\n{close}\r\nContent-Length: {length}\r\n\r\n{form}"
            ),
            "200",
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: [::1]:8443\r\n{close}\r\nX-Empty:\r\nX-Odd: \u{e9}\t!\r\n\r\n"),
            "200",
        ),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "200"),
        (format!("\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n{close}\r\n\r\n"), "200"),
        (format!("GET /healthz HTTP/1.1\r\nHost:\r\n{close}\r\n\r\n"), "200"),
        (format!("OPTIONS * HTTP/1.1\r\nHost: a\r\n{close}\r\n\r\n"), "404"),
    ] {
        for piece in [usize::MAX, 3] {
            let answer = exchanged(server, request.as_bytes(), piece).await;
            assert_eq!(answers(&answer), [status], "{request:?} in {piece}: {answer}");
        }
    }
    // One after the other on one connection, in one piece and in small ones.
    let post = format!("POST {token}\r\n{FORM}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let last = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{close}\r\n\r\n");
    for piece in [usize::MAX, 5] {
        // An empty line between two is nothing (RFC 9112 §2.2).
        for between in ["", "\r\n"] {
            let all = [post.as_str(), SMUGGLED, &post, &last].join(between);
            let answer = exchanged(server, all.as_bytes(), piece).await;
            assert_eq!(answers(&answer), ["200"; 4], "in {piece}: {answer}");
        }
    }
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    run(Backend::Sqlite, |app| async move {
        nothing_ambiguous_is_read_on(&limited::plain(&app, limited::limits())).await;
    });
}

#[test]
fn what_two_readers_could_read_differently_is_refused_over_tls() {
    run(Backend::Sqlite, |app| async move {
        nothing_ambiguous_is_read_on(&limited::tls(&app, limited::limits())).await;
    });
}

#[test]
fn odd_requests_that_are_sound_are_answered() {
    run(Backend::Sqlite, |app| async move {
        what_is_odd_and_sound_is_answered(&app, &limited::plain(&app, limited::limits())).await;
        what_is_odd_and_sound_is_answered(&app, &limited::tls(&app, limited::limits())).await;
    });
}

#[test]
fn an_empty_line_after_a_body_begins_no_request() {
    run(Backend::Sqlite, |app| async move {
        let limits = Limits { arrival: Duration::from_secs(1), ..limited::limits() };
        for server in [limited::plain(&app, limits.clone()), limited::tls(&app, limits)] {
            let mut stream = server.connect().await;
            let form = "grant_type=none";
            let head = format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{FORM}\r\nContent-Length: {}", form.len());
            stream.write_all(format!("{head}\r\n\r\n{form}").as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let read = timeout(BOUND, stream.read(&mut answer)).await.unwrap().unwrap();
            assert_eq!(answers(&String::from_utf8_lossy(&answer[..read])), ["401"]);
            // By itself: nothing else is there to be read.
            stream.write_all(b"\r\n").await.unwrap();
            // Longer than a head may take that has begun, and than a connection whose request is late is kept.
            sleep(Duration::from_millis(4500)).await;
            stream.write_all(SMUGGLED.replace("Host", "Connection: close\r\nHost").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            timeout(BOUND, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
            assert_eq!(answers(&String::from_utf8_lossy(&answer)), ["200"]);
        }
    });
}
