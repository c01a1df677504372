//! HTTP/2 (RFC 9113): what a client that abuses it gets, and what others feel of it.

use std::time::Duration;

use signet::http::Limits;
use tokio::time::timeout;

use crate::support::app::{Backend, run};
use crate::support::frames::{
    BOUND, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, HEADERS, PING,
    REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, head, is_served,
};
use crate::support::limited;

#[test]
fn a_client_is_told_what_it_may_ask_for_and_how_much_it_may_send() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        let first = frames.next().await.expect("it begins");
        assert_eq!((first.kind, first.flags), (SETTINGS, 0));
        let said = |setting: u8| {
            let mut all = first.payload.chunks(6).filter(|one| one[..2] == [0, setting]);
            all.next().map(|one| u32::from_be_bytes(one[2..].try_into().unwrap()))
        };
        // RFC 9113 §6.5.2: streams at a time, a stream's window, and the fields of a head.
        assert_eq!((said(3), said(4).unwrap_or(65_535), said(6)), (Some(100), 65_535, Some(32 * 1024)));
        // The connection's window is larger only if that is said.
        assert!(frames.send(&frame(PING, 0, 0, b"12345678")).await);
        loop {
            match frames.next().await.expect("it goes on").kind {
                PING => break,
                kind => assert_ne!(kind, WINDOW_UPDATE),
            }
        }
    });
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
            frames.begin(stream, "POST", "/oauth2/token").await;
            if !frames.is_read().await || !frames.reset(stream).await {
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
            assert!(frames.ask(stream, "/healthz").await);
            while frames.next().await.expect("it goes on").kind != DATA {}
            assert!(frames.begin(stream + 2, "POST", "/oauth2/token").await && frames.is_read().await, "{number}");
            assert!(frames.reset(stream + 2).await, "{number}");
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
            assert!(frames.begin(2 * number + 1, "POST", "/oauth2/token").await);
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
fn who_asks_for_replies_without_end_and_reads_none_loses_the_connection() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, Limits { arrival: Duration::from_secs(1), ..limited::limits() });
        for asking in [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, &[])] {
            let mut frames = Frames::to(&server).await;
            let flood = asking.repeat(1000);
            // It is read no further than it can be answered.
            let flooding = async { while frames.send(&flood).await {} };
            let (flooded, served) = tokio::join!(timeout(3 * BOUND, flooding), is_served(&app, &server));
            assert!(flooded.is_ok(), "it goes on for ever");
            assert!(served && is_served(&app, &server).await);
            drop(frames);
        }
    });
}

#[test]
fn frames_that_bring_nothing_keep_nobody_out() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        assert!(frames.begin(1, "POST", "/oauth2/token").await);
        for idle in [
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
            frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()),
            frame(DATA, 0, 1, &[]),
            // A priority (RFC 9113 §5.3.2), and a kind that nobody knows (§5.5).
            frame(2, 0, 1, &[0, 0, 0, 0, 7]),
            frame(0xfa, 0, 0, b"12345678"),
        ] {
            let flood = idle.repeat(100_000);
            let (sent, served) = tokio::join!(frames.send(&flood), is_served(&app, &server));
            assert!(sent && served, "frames of the kind {}", idle[3]);
        }
        let form = format!("grant_type=client_credentials&client_id=erp&client_secret={}", app.secret);
        assert!(frames.send(&frame(DATA, END_STREAM, 1, form.as_bytes())).await);
        assert!(frames.answered(1).await.body.contains("access_token"), "all was read, and the stream is there");
    });
}
