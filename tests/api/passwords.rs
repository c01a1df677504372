//! Passwords at the front door: in which form, how long, how many at a time, and hashed as today's parameters have it.

use std::time::{Duration, Instant};

use signet::admin::settings::SettingsChange;
use signet::admin::users::NewUser;
use signet::password::Parameters;
use signet::secret::Secret;
use signet::store::users;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::on_both;
use crate::support::app::{Answer, App, PASSWORD, Variant};
use crate::support::guesses::change;

async fn create(app: &App, username: &str, password: &str) {
    let new = NewUser { username: username.to_owned(), email: None, password: Secret::new(password) };
    app.admin().create_user(new).await.unwrap();
}

async fn log_in(app: &App, username: &str, password: &str) -> Answer {
    app.token(&[("grant_type", "password"), ("username", username), ("password", password)]).await
}

/// What is tested then is the pool alone.
async fn unthrottled(app: &App) {
    change(app, SettingsChange { login_throttling: Some(false), ..SettingsChange::default() }).await;
}

/// Letters in no order that a rule knows.
fn long_password(bytes: usize) -> String {
    let letter = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from(*state >> 24).unwrap() % 26)
    };
    let mut state = 7;
    (0..bytes).map(|_| letter(&mut state)).collect()
}

async fn stored_hash(app: &App, username: &str) -> String {
    let mut connection = app.provider.store.reading().await.unwrap();
    users::find_by_name(&mut connection, username).await.unwrap().unwrap().password_hash.unwrap()
}

/// An instance whose hashes take their time, one after the other.
async fn slow(app: &App, queue: &str) -> App {
    let settings = [("SIGNET_PASSWORD_WORKERS", "1"), ("SIGNET_PASSWORD_QUEUE", queue)];
    let parameters = Parameters::new(32 * 1024, 4, 1).unwrap();
    app.variant(Variant { parameters, settings: &settings, ..Variant::default() }).await
}

/// A login on a connection that is kept open as long as what is answered.
async fn hang_on(app: &App, username: &str) -> TcpStream {
    let address = app.base.strip_prefix("http://").unwrap();
    let body = format!("grant_type=password&client_id=erp&client_secret={}&username={username}&password=x", app.secret);
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn until(holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.expect("it comes to that");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

on_both! {
    async fn a_password_may_be_typed_composed_or_decomposed(app) {
        create(&app, "composed", "caf\u{e9} \u{fc}ber neun Br\u{fc}cken").await;
        create(&app, "decomposed", "cafe\u{301} u\u{308}ber neun Bru\u{308}cken").await;
        for username in ["composed", "decomposed"] {
            log_in(&app, username, "caf\u{e9} \u{fc}ber neun Br\u{fc}cken").await.tokens();
            log_in(&app, username, "cafe\u{301} u\u{308}ber neun Bru\u{308}cken").await.tokens();
            log_in(&app, username, "cafe uber neun Brucken").await.refused(400, "invalid_grant");
        }
    }

    async fn a_password_of_1024_bytes_is_used_whole_and_a_longer_one_is_nobodys(app) {
        let longest = long_password(1024);
        create(&app, "long", &longest).await;
        log_in(&app, "long", &longest).await.tokens();
        let mut other_end = longest[..1023].to_owned();
        other_end.push('!');
        log_in(&app, "long", &other_end).await.refused(400, "invalid_grant");
        let before = app.provider.passwords.computations();
        for username in ["long", "nobody"] {
            for length in [1025, 4096, 20_000] {
                log_in(&app, username, &format!("{longest}{}", "x".repeat(length - 1024))).await.refused(400, "invalid_grant");
            }
        }
        assert_eq!(app.provider.passwords.computations(), before, "whoever it is for, nothing is hashed");
        let new = NewUser { username: "longer".to_owned(), email: None, password: Secret::new(long_password(1025)) };
        app.admin().create_user(new).await.unwrap_err();
    }

    async fn blanks_and_signs_belong_to_a_password_but_control_characters_are_refused(app) {
        let password = " \ttab & amp = % + \u{1F511} ";
        create(&app, "signs", password).await;
        log_in(&app, "signs", password).await.tokens();
        log_in(&app, "signs", password.trim()).await.refused(400, "invalid_grant");
        for control in ["\0", "\n", "\u{7f}", "\u{85}"] {
            log_in(&app, "signs", &format!("{password}{control}")).await.refused(400, "invalid_request");
        }
    }

    async fn a_user_without_a_password_costs_a_hash_like_any_other(app) {
        app.sql("UPDATE users SET password_hash = NULL").await;
        let before = app.provider.passwords.computations();
        log_in(&app, "alice", PASSWORD).await.refused(400, "invalid_grant");
        log_in(&app, "alice", "x").await.refused(400, "invalid_grant");
        assert_eq!(app.provider.passwords.computations() - before, 2);
    }

    async fn a_login_hashes_anew_what_was_hashed_with_other_parameters(app) {
        let tokens = app.log_in().await;
        assert!(stored_hash(&app, "alice").await.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let parameters = Parameters::new(128, 2, 1).unwrap();
        let stronger = app.variant(Variant { parameters, ..Variant::default() }).await;
        log_in(&stronger, "alice", "wrong").await.refused(400, "invalid_grant");
        assert!(stored_hash(&app, "alice").await.contains("m=64,"), "a wrong password changes nothing");
        stronger.log_in().await;
        let rehashed = stored_hash(&app, "alice").await;
        assert!(rehashed.starts_with("$argon2id$v=19$m=128,t=2,p=1$"), "{rehashed}");
        stronger.log_in().await;
        assert_eq!(stored_hash(&app, "alice").await, rehashed);
        // It is still the same password: what it gave is not taken back.
        stronger.refresh(tokens.refresh()).await.tokens();
        app.log_in().await;
    }

    async fn who_finds_no_place_in_the_queue_is_told_to_come_back(app) {
        unthrottled(&app).await;
        for (queue, places) in [("0", 1), ("1", 2)] {
            let slow = slow(&app, queue).await;
            let before = slow.provider.passwords.computations();
            let answers = futures_util::future::join_all((0..12).map(|_| log_in(&slow, "nobody", PASSWORD))).await;
            let (busy, served): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 503);
            busy.iter().for_each(|answer| answer.refused(503, "temporarily_unavailable"));
            served.iter().for_each(|answer| answer.refused(400, "invalid_grant"));
            assert!(served.len() >= places && !busy.is_empty(), "{queue}: {} served, {} busy", served.len(), busy.len());
            assert_eq!(slow.provider.passwords.computations() - before, served.len(), "the others cost nothing");
        }
    }

    async fn who_is_turned_away_together_is_told_to_come_back_one_after_the_other(app) {
        unthrottled(&app).await;
        let settings = [("SIGNET_PASSWORD_WORKERS", "1"), ("SIGNET_PASSWORD_QUEUE", "0")];
        // Longer than all that follows takes, so that the time of a hash is the one that is guessed at first.
        let parameters = Parameters::new(256 * 1024, 8, 1).unwrap();
        let slow = app.variant(Variant { parameters, settings: &settings, ..Variant::default() }).await;
        let told = async {
            until(|| slow.provider.passwords.hashing() == 1).await;
            let mut told = Vec::new();
            for _ in 0..500 {
                let answer = log_in(&slow, "nobody", PASSWORD).await;
                answer.refused(503, "temporarily_unavailable");
                told.push(answer.header("retry-after").parse::<u64>().unwrap());
                if told.contains(&2) {
                    break;
                }
            }
            told
        };
        let (_, told) = tokio::join!(log_in(&slow, "nobody", PASSWORD), told);
        assert_eq!((told[0], told[told.len() - 1]), (1, 2), "{told:?}");
        // Sixteen milliseconds are 62 of them in a second, and more where the asking takes time.
        assert!(told.len() >= 62, "{told:?}");
    }

    async fn a_client_that_hangs_up_while_it_waits_gives_its_place_to_the_next(app) {
        unthrottled(&app).await;
        let settings = [("SIGNET_PASSWORD_WORKERS", "1"), ("SIGNET_PASSWORD_QUEUE", "1")];
        // Long enough for all that follows to happen meanwhile.
        let parameters = Parameters::new(256 * 1024, 8, 1).unwrap();
        let slow = app.variant(Variant { parameters, settings: &settings, ..Variant::default() }).await;
        let (pool, before) = (&slow.provider.passwords, slow.provider.passwords.computations());
        let hashed = log_in(&slow, "nobody", PASSWORD);
        let meanwhile = async {
            until(|| pool.hashing() == 1).await;
            let waiting = hang_on(&slow, "nobody").await;
            until(|| pool.waiting() == 1).await;
            log_in(&slow, "nobody", PASSWORD).await.refused(503, "temporarily_unavailable");
            drop(waiting);
            until(|| pool.waiting() == 0).await;
            assert_eq!((pool.hashing(), pool.computations() - before), (1, 0), "the first is still being hashed");
        };
        let (answer, ()) = tokio::join!(hashed, meanwhile);
        answer.refused(400, "invalid_grant");
        assert_eq!(pool.computations() - before, 1, "who hung up cost nothing");
    }

    async fn fifty_logins_at_once_do_not_hold_up_the_key_set(app) {
        unthrottled(&app).await;
        let settings = [("SIGNET_PASSWORD_WORKERS", "1"), ("SIGNET_PASSWORD_QUEUE", "100")];
        let real = Variant { parameters: Parameters::default(), settings: &settings, ..Variant::default() };
        let instance = app.variant(real).await;
        let mut times = Vec::new();
        let began = Instant::now();
        let logins = futures_util::future::join_all((0..50).map(|_| log_in(&instance, "nobody", PASSWORD)));
        let asking = async {
            loop {
                let asked = Instant::now();
                assert_eq!(instance.get("/.well-known/jwks.json").await.status, 200);
                times.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = logins => {}
            () = asking => {}
        }
        let all = began.elapsed();
        // On the same threads, one answer would wait for the hashes before it: a good part of the whole.
        assert!(times.len() >= 10 && median(times.clone()) * 10 < all, "{times:?} of {all:?}");
    }
}
