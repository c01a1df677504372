//! HTTP/2 (RFC 9113): how long a connection lasts whose client asks for nothing, does not begin, or is not there any more, and
//! how one ends when the server stops.

use std::time::Duration;

use signet::http::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use crate::support::app::{Backend, run};
use crate::support::frames::{
    ACK, BOUND, CONTINUATION, DATA, END_STREAM, Frames, HEADERS, NO_ERROR, PING, frame, head, is_served,
};
use crate::support::limited::{self, Limited};

fn kept(seconds: u64) -> Limits {
    Limits { keep_alive: Duration::from_secs(seconds), ..limited::limits() }
}

#[test]
fn a_connection_without_streams_is_told_and_closed_after_its_time() {
    run(Backend::Sqlite, |app| async move {
        for server in [limited::plain(&app, kept(1)), limited::tls(&app, kept(1))] {
            let unused = Frames::to(&server).await;
            let mut used = Frames::to(&server).await;
            assert!(used.ask(1, "/healthz").await && used.answered(1).await.is_200);
            for mut frames in [unused, used] {
                frames.rest().await;
                assert_eq!(frames.farewell, Some(NO_ERROR));
            }
            server.until("nobody is there", |load| load.connections == 0).await;
        }
    });
}

#[test]
fn pings_do_not_keep_a_connection_and_requests_do() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, kept(3));
        let (mut idle, mut busy) = (Frames::to(&server).await, Frames::to(&server).await);
        let began = Instant::now();
        let pinging = async {
            while idle.is_read().await {
                sleep(Duration::from_millis(100)).await;
            }
            idle.farewell
        };
        let asking = async {
            for number in 0..16_u32 {
                assert!(busy.ask(2 * number + 1, "/healthz").await && busy.answered(2 * number + 1).await.is_200);
                sleep(Duration::from_millis(500)).await;
            }
        };
        let (farewell, ()) = tokio::join!(timeout(2 * BOUND, pinging), asking);
        assert_eq!(farewell, Ok(Some(NO_ERROR)));
        assert!(began.elapsed() > Duration::from_secs(7) && busy.is_read().await);
    });
}

#[test]
fn who_has_streams_and_answers_no_ping_is_given_up_and_who_answers_stays() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, Limits { arrival: Duration::from_secs(60), ..kept(2) });
        let (mut gone, mut there) = (Frames::to(&server).await, Frames::to(&server).await);
        // Long before its body is waited for in vain.
        assert!(gone.begin(1, "POST", "/oauth2/token").await && there.begin(1, "POST", "/oauth2/token").await);
        let mut pings = 0;
        let answering = async {
            while pings < 4 {
                let asked = there.next().await.expect("it stays");
                if asked.kind == PING && asked.flags & ACK == 0 {
                    pings += 1;
                    assert!(there.send(&frame(PING, ACK, 0, &asked.payload)).await);
                }
            }
        };
        let (rest, answered) = tokio::join!(gone.rest(), timeout(3 * BOUND, answering));
        answered.expect("it is asked again and again");
        assert_eq!(rest.iter().filter(|frame| frame.kind == PING).count(), 1, "asked once: {rest:?}");
        server.until("one is left", |load| load.connections == 1).await;
        let form = format!("grant_type=client_credentials&client_id=erp&client_secret={}", app.secret);
        assert!(there.send(&frame(DATA, END_STREAM, 1, form.as_bytes())).await);
        assert!(there.answered(1).await.body.contains("access_token"));
    });
}

#[test]
fn a_connection_that_does_not_begin_is_closed() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, Limits { arrival: Duration::from_secs(1), ..limited::limits() });
        let mut stream = server.connect().await;
        // Enough to be taken for HTTP/2.
        stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(BOUND, stream.read_to_end(&mut rest)).await.expect("it is closed");
        server.until("nobody is there", |load| load.connections == 0).await;
    });
}

#[test]
fn a_head_that_dribbles_in_is_given_up_with_its_connection() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, kept(1));
        let mut frames = Frames::to(&server).await;
        assert!(frames.send(&frame(HEADERS, END_STREAM, 1, &head("GET", "/healthz"))).await);
        // More frames than a few are not waited for in any case: this is one, of 8,000 bytes, that does not end.
        let rest = frame(CONTINUATION, 0, 1, &[0; 8000]);
        assert!(frames.send(&rest[..9]).await);
        let dribbling = async {
            while frames.send(b"\x00").await {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(BOUND, dribbling).await.expect("it is closed");
        assert!(is_served(&app, &server).await);
    });
}

#[test]
fn a_server_that_stops_says_so_and_answers_what_it_has() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        assert!(frames.begin(1, "POST", "/oauth2/token").await);
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
