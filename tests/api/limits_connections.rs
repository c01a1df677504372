//! How many connections there may be, in all and from one address: who has to go for a new one, and who has not.

use std::time::Duration;

use signet::http::{Bounds, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::support::app::{App, Backend, run};
use crate::support::limited::{self, Limited, Stream};

const BOUND: Duration = Duration::from_secs(10);
const FETCH: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";

fn limits(connections: usize, connections_of_an_address: usize) -> Limits {
    Limits { bounds: Bounds { connections, connections_of_an_address, ..Bounds::default() }, ..limited::limits() }
}

/// Begins an answer; what was closed says nothing.
async fn begins(stream: &mut (impl Stream + ?Sized)) -> String {
    let mut start = [0; 64];
    let read = timeout(BOUND, stream.read(&mut start)).await.expect("it is answered or closed");
    String::from_utf8_lossy(&start[..read.unwrap_or(0)]).into_owned()
}

async fn is_served(stream: &mut (impl Stream + ?Sized)) -> bool {
    stream.write_all(FETCH.as_bytes()).await.is_ok() && begins(stream).await.starts_with("HTTP/1.1 200")
}

async fn a_full_house_makes_room(server: &Limited, most: usize) {
    let mut slow = Vec::new();
    for number in 0..most {
        let mut stream = server.connect().await;
        // Silent, or in the middle of a head, or of a body.
        let start: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\n",
            _ => b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n",
        };
        stream.write_all(start).await.unwrap();
        slow.push(stream);
        server.until("it has its place", |load| load.connections == number + 1).await;
    }
    for round in 1..=3 {
        assert!(is_served(&mut *server.connect().await).await, "an honest client gets in: {round}");
        assert!(server.load().connections <= most, "{:?}", server.load());
    }
    let load = server.load();
    assert!(load.connections_evicted >= 1 && load.connections_refused == 0, "{load:?}");
    // Whoever went is told, by the end of the connection: the one that was quiet for longest.
    assert_eq!(begins(&mut *slow[0]).await, "");
}

#[test]
fn the_quietest_connection_goes_for_a_new_one() {
    run(Backend::Sqlite, |app| async move {
        a_full_house_makes_room(&limited::plain(&app, limits(8, 0)), 8).await;
        a_full_house_makes_room(&limited::tls(&app, limits(8, 0)), 8).await;
    });
}

#[test]
fn who_was_answered_lately_stays_and_who_was_silent_since_goes() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limits(2, 0));
        let mut first = server.connect().await;
        server.until("it has its place", |load| load.connections == 1).await;
        let mut silent = server.connect().await;
        server.until("it has its place", |load| load.connections == 2).await;
        // What is quiet is told to the millisecond.
        sleep(Duration::from_millis(50)).await;
        assert!(is_served(&mut *first).await);
        assert!(is_served(&mut *server.connect().await).await);
        assert_eq!(begins(&mut *silent).await, "");
        assert_eq!(server.load().connections_evicted, 1);
    });
}

#[test]
fn a_handshake_that_does_not_go_on_holds_a_place_that_others_can_have() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::tls(&app, limits(5, 0));
        let mut idle = Vec::new();
        for number in 0..5 {
            // A record that announces more than it has, or nothing at all.
            let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
            stream.write_all(if number % 2 == 0 { b"\x16\x03\x01\x02\x00\x01" } else { b"" }).await.unwrap();
            idle.push(stream);
            // One after the other: two threads admit them.
            server.until("it has its place", |load| load.connections == number + 1).await;
        }
        assert!(is_served(&mut *server.connect().await).await);
        let load = server.load();
        assert!(load.connections <= 5 && load.connections_evicted == 1, "{load:?}");
        assert_eq!(begins(&mut idle[0]).await, "");
    });
}

#[test]
fn who_is_served_stays_and_a_new_one_is_closed_where_all_are() {
    run(Backend::Sqlite, |app| async move {
        // A list that one can listen to.
        app.log_in().await;
        // One connection is enough: an answer that goes on is in service for as long as it does.
        let server = limited::plain(&app, limits(1, 0));
        let mut listener = server.connect().await;
        let listen = "GET /status-lists/1/changes HTTP/1.1\r\nHost: a\r\n\r\n";
        listener.write_all(listen.as_bytes()).await.unwrap();
        assert!(begins(&mut *listener).await.starts_with("HTTP/1.1 200"));
        assert!(!is_served(&mut *server.connect().await).await);
        server.until("it is counted", |load| load.connections_refused >= 1).await;
        assert_eq!(server.load().connections_evicted, 0);
        drop(listener);
        server.until("its place is free", |load| load.connections == 0).await;
        assert!(is_served(&mut *server.connect().await).await);
    });
}

#[test]
fn an_address_has_its_share_and_others_have_room() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limits(100, 3));
        let mut mine = Vec::new();
        for number in 1..=3 {
            mine.push(server.connect_from("127.0.0.1").await);
            server.until("it has its place", |load| load.connections == number).await;
        }
        for _ in 0..3 {
            assert!(!is_served(&mut server.connect_from("127.0.0.1").await).await);
        }
        assert_eq!(server.load().connections_refused, 3);
        assert!(is_served(&mut server.connect_from("127.0.0.2").await).await, "another address");
        for stream in &mut mine {
            assert!(is_served(stream).await, "who is in stays in");
        }
        mine.pop();
        server.until("one has gone", |load| load.connections <= 2).await;
        assert!(is_served(&mut server.connect_from("127.0.0.1").await).await);
    });
}

#[test]
fn a_proxy_that_is_trusted_has_no_share() {
    run(Backend::Sqlite, |app| async move {
        let trusted_proxies = ["127.0.0.1/32".parse().unwrap()].into();
        let server = limited::plain(&app, Limits { trusted_proxies, ..limits(100, 3) });
        let mut streams = Vec::new();
        for _ in 0..10 {
            let mut stream = server.connect_from("127.0.0.1").await;
            assert!(is_served(&mut stream).await);
            streams.push(stream);
        }
        assert_eq!(server.load().connections_refused, 0);
    });
}

/// Asks on and on and reads nothing, until the other side takes no more either.
async fn ask_without_reading(server: &Limited) -> Box<dyn Stream> {
    let mut stream = server.connect().await;
    let requests = FETCH.repeat(200);
    while timeout(Duration::from_secs(1), stream.write_all(requests.as_bytes())).await.is_ok_and(|sent| sent.is_ok()) {}
    stream
}

#[test]
fn who_does_not_take_its_answers_loses_the_connection() {
    run(Backend::Sqlite, |app: App| async move {
        let impatient = || Limits { arrival: Duration::from_secs(1), ..limits(100, 0) };
        for server in [limited::plain(&app, impatient()), limited::tls(&app, impatient())] {
            let stream = ask_without_reading(&server).await;
            server.until("it is given up", |load| load.connections == 0).await;
            drop(stream);
        }
    });
}

#[test]
fn a_first_head_has_the_time_of_a_head_and_not_that_of_a_whole_request() {
    run(Backend::Sqlite, |app| async move {
        // A connection that has begun a request has three times as long.
        let server = limited::plain(&app, Limits { arrival: Duration::from_secs(4), ..limits(100, 0) });
        let mut stream = server.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await.unwrap();
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(11), stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "it is closed before that");
    });
}
