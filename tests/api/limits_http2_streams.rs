//! HTTP/2 (RFC 9113): what becomes of a stream whose client is slow, sends more than it needs to, or gives it up; and that an
//! honest one misses nothing.

use std::time::Duration;

use signet::admin::settings::SettingsChange;
use signet::http::{Bounds, Limits};
use signet::password::Parameters;
use tokio::time::{sleep, timeout};

use crate::support::app::{Answer, Backend, Variant, run};
use crate::support::frames::{
    BOUND, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PROTOCOL_ERROR, REFUSED_STREAM, frame, head, is_served,
};
use crate::support::guesses::change;
use crate::support::limited;
use crate::support::sql::{self, Held};

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
            frames.begin(stream, "POST", "/oauth2/token").await;
            frames.send(&frame(DATA, END_STREAM, stream, form.as_bytes())).await;
        }
        server.until("all are in flight", |load| load.in_flight >= 15).await;
        for number in 0..20_u32 {
            frames.reset(2 * number + 1).await;
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
fn a_body_that_dribbles_in_is_answered_in_time_while_other_streams_are_served() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, Limits { arrival: Duration::from_secs(1), ..limited::limits() });
        let mut frames = Frames::to(&server).await;
        assert!(frames.begin(1, "POST", "/oauth2/token").await && frames.ask(3, "/healthz").await);
        assert!(frames.answered(3).await.is_200);
        let dribbling = async {
            for _ in 0..5 {
                frames.send(&frame(DATA, 0, 1, b"x")).await;
                sleep(Duration::from_millis(100)).await;
            }
            frames.answered(1).await
        };
        let outcome = timeout(BOUND, dribbling).await.expect("it is answered");
        assert!(!outcome.is_200 && outcome.body.contains(r#""error":"invalid_request""#), "{outcome:?}");
        assert!(frames.ask(5, "/healthz").await && frames.answered(5).await.is_200);
    });
}

#[test]
fn fields_after_a_body_mean_nothing_and_cost_the_stream_alone_where_they_do_not_end_it() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        let form = format!("grant_type=client_credentials&client_id=erp&client_secret={}", app.secret);
        let field = [&[0x00, 0x01, b'x', 0x01, b'y'][..]].concat();
        let large = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x3e][..], &[b'y'; 8064]].concat();
        for (number, (flags, fields, reset)) in [
            (END_HEADERS | END_STREAM, field.clone(), None),
            (END_HEADERS | END_STREAM, large, None),
            // Pseudo-fields should not be there (RFC 9113 §8.1), and mean nothing either.
            (END_HEADERS | END_STREAM, head("GET", "/healthz"), None),
            // What follows content ends the stream (§8.1).
            (END_HEADERS, field, Some(PROTOCOL_ERROR)),
        ]
        .into_iter()
        .enumerate()
        {
            let stream = u32::try_from(4 * number + 1).unwrap();
            assert!(frames.begin(stream, "POST", "/oauth2/token").await);
            assert!(frames.send(&frame(DATA, 0, stream, form.as_bytes())).await);
            assert!(frames.send(&frame(HEADERS, flags, stream, &fields)).await);
            let outcome = frames.answered(stream).await;
            let is_answered = outcome.is_200 && outcome.body.contains("access_token");
            assert_eq!((outcome.reset, is_answered), (reset, reset.is_none()), "{number}: {outcome:?}");
            assert!(frames.ask(stream + 2, "/healthz").await && frames.answered(stream + 2).await.is_200);
        }
    });
}

#[test]
fn what_a_reset_stream_has_begun_is_carried_out_and_other_streams_go_on() {
    run(Backend::Sqlite, |app| async move {
        let session = app.log_in().await;
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        let before = sql::dump(&app.config.database_url).await;
        let held = Held::writer(&app);
        let form = format!(
            "grant_type=refresh_token&client_id=erp&client_secret={}&refresh_token={}",
            app.secret,
            session.refresh()
        );
        assert!(frames.begin(1, "POST", "/oauth2/token").await);
        assert!(frames.send(&frame(DATA, END_STREAM, 1, form.as_bytes())).await);
        server.until("it is in flight", |load| load.in_flight == 1).await;
        assert!(frames.reset(1).await && frames.ask(3, "/healthz").await);
        assert!(frames.answered(3).await.is_200);
        assert_eq!(server.load().in_flight, 1, "it is not stopped half-way");
        held.let_go();
        server.until("it is done", |load| load.in_flight == 0).await;
        let after = sql::dump(&app.config.database_url).await;
        let changed = after.difference(&before).filter(|row| row.starts_with("grants:")).count();
        assert_eq!(changed, 1, "the grant has its next generation");
        assert!(frames.ask(5, "/healthz").await && frames.answered(5).await.is_200);
    });
}

#[test]
fn streams_that_are_reset_count_until_what_they_have_begun_is_done() {
    run(Backend::Sqlite, |app| async move {
        let session = app.log_in().await;
        let settings = [("SIGNET_DATABASE_QUEUE", "500")];
        let app = app.variant(Variant { settings: &settings, ..Variant::default() }).await;
        let server = limited::plain(&app, limited::limits());
        let mut frames = Frames::to(&server).await;
        // Answers that it took, so that what it gives up is forgiven.
        for stream in [1, 3, 5, 7, 9] {
            assert!(frames.ask(stream, "/healthz").await && frames.answered(stream).await.is_200);
        }
        let form = format!(
            "grant_type=refresh_token&client_id=erp&client_secret={}&refresh_token={}",
            app.secret,
            session.refresh()
        );
        let held = Held::writer(&app);
        for number in 0..100_u32 {
            let stream = 2 * number + 11;
            assert!(frames.begin(stream, "POST", "/oauth2/token").await);
            assert!(frames.send(&frame(DATA, END_STREAM, stream, form.as_bytes())).await);
        }
        server.until("all are in flight", |load| load.in_flight == 100).await;
        for number in 0..100_u32 {
            assert!(frames.reset(2 * number + 11).await);
        }
        assert!(frames.ask(211, "/healthz").await);
        assert_eq!(frames.answered(211).await.reset, Some(REFUSED_STREAM));
        held.let_go();
        server.until("all are done", |load| load.in_flight == 0).await;
        assert!(frames.ask(213, "/healthz").await && frames.answered(213).await.is_200);
    });
}
