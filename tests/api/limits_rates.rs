//! How many requests an address may make, and how many are answered at a time: beyond that 429 and 503, each with a time to
//! come back, while everybody else goes on.

use std::num::NonZeroU32;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use signet::admin::settings::SettingsChange;
use signet::config::Config;
use signet::http::{Bounds, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::support::app::{Answer, App, Backend, Variant, run};
use crate::support::frames::{DATA, END_STREAM, Frames, frame};
use crate::support::guesses::change;
use crate::support::limited::{self, Limited};
use crate::support::sql::Held;

const BOUND: Duration = Duration::from_secs(12);

/// As the settings say.
fn bounds(settings: &[(&str, &str)]) -> Bounds {
    let all = [("SIGNET_MASTER_KEY_FILE", "/nowhere"), ("SIGNET_DATABASE_URL", "sqlite:nowhere")];
    let all = all.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Bounds::of(&Config::from_sources(all, None).unwrap())
}

fn limits(settings: &[(&str, &str)], trusted: &[&str]) -> Limits {
    let trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
    Limits { bounds: bounds(settings), trusted_proxies, ..limited::limits() }
}

async fn post(app: &App, server: &Limited, path: &str, forwarded: Option<&str>, form: &[(&str, &str)]) -> Answer {
    let mut request = app.http.post(server.url(path)).basic_auth("erp", Some(&app.secret));
    if let Some(address) = forwarded {
        request = request.header("x-forwarded-for", address);
    }
    Answer::of(request.form(form)).await
}

const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[test]
fn an_address_has_its_burst_of_token_requests_and_others_have_theirs() {
    run(Backend::Sqlite, |app| async move {
        // One comes back each second: few while these are sent.
        let server = limited::plain(&app, limits(&[("SIGNET_TOKEN_RATE", "1/40")], &["127.0.0.1/32"]));
        let from = |address| post(&app, &server, "/oauth2/token", Some(address), &OWN);
        let (mut served, mut refused) = (0, Vec::new());
        for _ in 0..80 {
            let answer = from("192.0.2.1").await;
            if answer.status == 200 {
                served += 1;
            } else {
                refused.push(answer);
            }
        }
        assert!((40..75).contains(&served), "{served}");
        for answer in &refused {
            answer.refused(429, "temporarily_unavailable");
            assert_eq!((answer.header("retry-after"), answer.header("cache-control")), ("1", "no-store"));
        }
        assert_eq!(server.load().rate_limited, refused.len() as u64);
        // Others, also of the same network, and the same one at other endpoints.
        from("192.0.2.2").await.tokens();
        assert_eq!(post(&app, &server, "/oauth2/introspect", Some("192.0.2.1"), &[("token", "x")]).await.status, 200);
        let keys = app.http.get(server.url("/.well-known/jwks.json")).header("x-forwarded-for", "192.0.2.1");
        assert_eq!(Answer::of(keys).await.status, 200);
    });
}

#[test]
fn revocations_and_passwords_count_and_an_ipv6_network_is_one_address() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limits(&[("SIGNET_TOKEN_RATE", "1/1")], &["127.0.0.1/32"]));
        for (number, path) in ["/oauth2/revoke", "/account/password", "/oauth2/token"].into_iter().enumerate() {
            let mut refused = 0;
            for host in 0..30 {
                let address = format!("2001:db8:0:{number}::{host:x}");
                refused += u32::from(post(&app, &server, path, Some(&address), &OWN).await.status == 429);
            }
            assert!(refused >= 15, "{path}: {refused}");
        }
    });
}

#[test]
fn a_proxy_that_does_not_say_for_whom_it_asks_is_not_counted_and_a_stranger_s_word_does_not_count() {
    run(Backend::Sqlite, |app| async move {
        let settings = [("SIGNET_TOKEN_RATE", "1/1")];
        let server = limited::plain(&app, limits(&settings, &["127.0.0.1/32"]));
        for _ in 0..10 {
            post(&app, &server, "/oauth2/token", None, &OWN).await.tokens();
        }
        // Not trusted: whatever it says, it is one address.
        let server = limited::plain(&app, limits(&settings, &[]));
        let mut refused = 0;
        for host in 1..30 {
            let address = format!("192.0.2.{host}");
            refused += u32::from(post(&app, &server, "/oauth2/token", Some(&address), &OWN).await.status == 429);
        }
        assert!(refused >= 15, "{refused}");
    });
}

#[test]
fn introspections_have_a_rate_of_their_own_however_the_path_is_written() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limits(&[("SIGNET_INTROSPECTION_RATE", "1/2")], &["127.0.0.1/32"]));
        let mut refused = 0;
        for _ in 0..15 {
            for path in ["/oauth2/introspect", "/oauth2/%69ntrospect"] {
                refused +=
                    u32::from(post(&app, &server, path, Some("192.0.2.1"), &[("token", "x")]).await.status == 429);
            }
        }
        assert!(refused >= 15, "{refused}");
        post(&app, &server, "/oauth2/token", Some("192.0.2.1"), &OWN).await.tokens();
    });
}

#[test]
fn who_is_told_to_wait_and_does_not_is_held_back_for_a_moment_and_keeps_nobody_out() {
    run(Backend::Sqlite, |app| async move {
        change(&app, SettingsChange { login_limit_per_name: Some(1), ..SettingsChange::default() }).await;
        let mut limits = limits(&[("SIGNET_MAX_IN_FLIGHT", "1")], &[]);
        limits.bounds.refusals_at_once = NonZeroU32::MIN;
        let server = limited::plain(&app, limits);
        let guess = [("grant_type", "password"), ("username", "nobody"), ("password", "a guess")];
        let guess = || post(&app, &server, "/oauth2/token", None, &guess);
        guess().await.refused(400, "invalid_grant");
        // One a second of those that come from now on is refused at once.
        let mut quickest = Duration::MAX;
        for _ in 0..20 {
            let (before, began) = (server.load().held_back, Instant::now());
            guess().await.refused(429, "temporarily_unavailable");
            if server.load().held_back > before {
                quickest = quickest.min(began.elapsed());
            }
        }
        assert!((Duration::from_millis(75)..BOUND).contains(&quickest), "{quickest:?}");
        // While it is held, its place among those in flight is another's.
        for number in 0.. {
            assert!(number < 10, "it is not held again");
            let before = server.load().held_back;
            let mut held = pin!(guess());
            let is_held = server.until("it is held", |load| load.held_back > before);
            if matches!(select(&mut held, pin!(is_held)).await, Either::Right(_)) {
                let other = post(&app, &server, "/oauth2/introspect", None, &[("token", "x")]).await;
                assert_eq!(other.status, 200);
                held.await.refused(429, "temporarily_unavailable");
                break;
            }
        }
        assert_eq!(server.load().shed, 0);
    });
}

#[test]
fn more_in_flight_than_may_be_are_told_to_come_back_at_once() {
    run(Backend::Sqlite, |app| async move {
        let sessions = [app.log_in().await, app.log_in().await];
        let server = limited::plain(&app, limits(&[("SIGNET_MAX_IN_FLIGHT", "2")], &[]));
        let refresh = |number: usize| {
            let form = [("grant_type", "refresh_token"), ("refresh_token", sessions[number].refresh())];
            let request = app.http.post(server.url("/oauth2/token")).basic_auth("erp", Some(&app.secret)).form(&form);
            tokio::task::spawn_local(Answer::of(request))
        };
        let held = Held::writer(&app);
        let waiting = [refresh(0), refresh(1)];
        server.until("two are in flight", |load| load.in_flight == 2).await;
        let busy = timeout(Duration::from_secs(4), post(&app, &server, "/oauth2/introspect", None, &[("token", "x")]));
        let busy = busy.await.expect("it is refused at once");
        busy.refused(503, "temporarily_unavailable");
        assert_eq!((busy.header("retry-after"), server.load().shed), ("1", 1));
        // Also who has sent nothing but a head: its body is not waited for.
        let mut early = server.connect().await;
        let head = "POST /oauth2/introspect HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
        early.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        timeout(Duration::from_secs(4), early.read_exact(&mut start)).await.expect("at once, too").unwrap();
        assert_eq!(&start, b"HTTP/1.1 503");
        let keys = app.http.get(server.url("/.well-known/jwks.json"));
        assert_eq!(Answer::of(keys).await.status, 200, "what needs no work is answered");
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()), "the others were in flight all the time");
        held.let_go();
        for waiting in waiting {
            timeout(BOUND, waiting).await.unwrap().unwrap().tokens();
        }
        assert_eq!(server.load().in_flight, 0);
        post(&app, &server, "/oauth2/token", None, &OWN).await.tokens();
    });
}

#[test]
fn bodies_that_end_at_once_take_no_more_places_than_there_are() {
    run(Backend::Sqlite, |app| async move {
        let session = app.log_in().await;
        let server = limited::plain(&app, limits(&[("SIGNET_MAX_IN_FLIGHT", "2")], &[]));
        let mut frames = Frames::to(&server).await;
        // There is room when their heads come.
        for stream in [1, 3, 5, 7, 9] {
            assert!(frames.begin(stream, "POST", "/oauth2/token").await);
        }
        assert!(frames.is_read().await && frames.is_read().await);
        let held = Held::writer(&app);
        let (secret, token) = (&app.secret, session.refresh());
        let form = format!("grant_type=refresh_token&client_id=erp&client_secret={secret}&refresh_token={token}");
        for stream in [1, 3, 5, 7, 9] {
            assert!(frames.send(&frame(DATA, END_STREAM, stream, form.as_bytes())).await);
        }
        server.until("two are in, three are not", |load| (load.in_flight, load.shed) == (2, 3)).await;
        held.let_go();
        server.until("all is done", |load| load.in_flight == 0).await;
    });
}

#[test]
fn who_sends_a_body_slowly_takes_no_place_among_those_in_flight() {
    run(Backend::Sqlite, |app| async move {
        let server = limited::plain(&app, limits(&[("SIGNET_MAX_IN_FLIGHT", "1")], &[]));
        let mut slow = Vec::new();
        for _ in 0..20 {
            let mut stream = server.connect().await;
            let head = "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";
            stream.write_all(format!("{head}Content-Length: 9\r\n\r\ngrant").as_bytes()).await.unwrap();
            slow.push(stream);
        }
        server.until("they are connected", |load| load.connections >= 20).await;
        for _ in 0..5 {
            post(&app, &server, "/oauth2/token", None, &OWN).await.tokens();
        }
        assert_eq!(server.load().shed, 0);
    });
}

#[test]
fn no_more_wait_for_a_connection_to_the_database_than_may() {
    run(Backend::Sqlite, |app| async move {
        let mut sessions = Vec::new();
        for _ in 0..6 {
            sessions.push(app.log_in().await);
        }
        let app = app.variant(Variant { settings: &[("SIGNET_DATABASE_QUEUE", "1")], ..Variant::default() }).await;
        let held = Held::writer(&app);
        // One has the writer, one waits for it; the others are refused before the writer is let go.
        let mut waiting: Vec<_> = sessions
            .iter()
            .map(|session| {
                let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh())];
                let request = app.http.post(format!("{}/oauth2/token", app.base)).basic_auth("erp", Some(&app.secret));
                tokio::task::spawn_local(Answer::of(request.form(&form)))
            })
            .collect();
        let refused = async {
            while waiting.iter().filter(|waiting| waiting.is_finished()).count() < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(4), refused).await.expect("four are refused at once");
        held.let_go();
        let mut statuses = Vec::new();
        for waiting in waiting.drain(..) {
            let answer = timeout(BOUND, waiting).await.unwrap().unwrap();
            if answer.status == 503 {
                answer.refused(503, "temporarily_unavailable");
                assert_eq!(answer.header("retry-after"), "2");
            }
            statuses.push(answer.status);
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 503, 503, 503, 503]);
    });
}
