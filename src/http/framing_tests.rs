//! Sound requests pass whole, however they are cut up; of unsound ones nothing gets through after the fault.

use super::*;

const HEAD: &str = "POST /oauth2/token HTTP/1.1\r\nHost: a.example\r\n";

/// What passes, handed over in pieces of this size, and whether all was sound.
fn passed(text: &str, piece: usize) -> (Vec<u8>, bool) {
    let mut framing = Framing::default();
    let mut passed = Vec::new();
    for piece in text.as_bytes().to_vec().chunks_mut(piece) {
        let kept = framing.follow(piece);
        passed.extend_from_slice(&piece[..kept]);
        if framing.has_refused() {
            assert_eq!(passed.last(), Some(&POISON));
            assert_eq!(framing.follow(&mut b"GET / HTTP/1.1\r\n".to_vec()), 0, "nothing follows");
            return (passed, false);
        }
    }
    (passed, true)
}

const PIECES: [usize; 5] = [1, 2, 3, 7, 100_000];

#[test]
fn sound_requests_pass_however_they_are_cut() {
    let body = format!("{HEAD}Content-Length: 5\r\n\r\nab\n\0c");
    let chunked =
        format!("{HEAD}transfer-encoding:  Chunked \r\n\r\n5;x=\"y\"\r\na\nb\r\n\r\n0A \r\n0123456789\r\n0\r\n\r\n");
    let trailed = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n");
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(50_000));
    let requests = [
        body,
        chunked,
        trailed,
        long,
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:8443\r\nX:\r\nY:\tz\u{e9}\r\n\r\n".to_owned(),
        "GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.example:80\r\n\r\n".to_owned(),
        "GET https://a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ];
    for piece in PIECES {
        for request in &requests {
            assert_eq!(passed(request, piece), (request.clone().into(), true), "{request:?} in {piece}");
            let (preceded, is_sound) = passed(&format!("\r\n{request}"), piece);
            assert_eq!((String::from_utf8(preceded).as_ref(), is_sound), (Ok(request), true), "preceded, in {piece}");
        }
        let pipelined = requests.concat();
        assert_eq!(passed(&pipelined, piece), (pipelined.clone().into(), true), "all of them in {piece}");
        // An empty line between each two, as some clients put one after a body (RFC 9112 §2.2).
        let spaced = requests.join("\r\n") + "\r\n";
        assert_eq!(passed(&spaced, piece), (pipelined.into(), true), "all of them in {piece}");
    }
    let tunnel = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\nwhatever\0";
    assert_eq!(passed(tunnel, 3), (tunnel.into(), true));
}

#[test]
fn what_two_readers_could_read_differently_is_refused_where_it_is() {
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    let long_extension = format!("{chunked}5;x={}\r\nhello\r\n0\r\n\r\n", "y".repeat(300));
    let trailers = format!("{chunked}0\r\n{}\r\n", "X: y\r\n".repeat(17));
    let long_host = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(20_000));
    let of_chunks =
        ["5\nhello\r\n", "0x5\r\n", "-5\r\n", "\r\n", ";x\r\n", "5 5\r\n", "11111111111111111\r\n", "5\r\nhelloX\r\n"];
    let mut requests = vec![long_extension, trailers, long_host];
    requests.extend(of_chunks.map(|chunk| format!("{chunked}{chunk}")));
    let fields = [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length:\r\n",
        "Host: a.example\r\n",
        "X: y\n",
        "X: y\rz\r\n",
        "X: y\r\n z\r\n",
        "X: \0\r\n",
        "X\0: y\r\n",
        ": y\r\n",
        "X\r\n",
    ];
    requests.extend(fields.map(|field| format!("{HEAD}{field}\r\n")));
    requests.extend(
        [
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            " \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
        .map(str::to_owned),
    );
    for piece in PIECES {
        for request in &requests {
            let (passed, is_sound) = passed(&format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), piece);
            let passed = String::from_utf8_lossy(&passed);
            assert!(!is_sound && passed.len() <= request.len(), "{request:?} in {piece}: {passed:?}");
        }
    }
}
