//! What the log says while more log in than may: that it is so, now and then, and not of each.

use futures_util::future::join_all;

use crate::support::app::{API, Answer, Backend, block_on};
use crate::support::recorded::{Program, Serving};

/// With a client that anybody may use for the password grant.
fn program() -> Program {
    let program = Program::new(Backend::Sqlite).expect("SQLite is always there");
    let server = ["resource-server", "create", API, "--scope", "read"];
    let client =
        ["client", "create", "erp", "--grant-type", "password", "--audience", API, "--scope", "read", "--public"];
    for created in [program.run("", &server), program.run("", &client)] {
        assert_eq!(created.status, 0, "{}", created.stderr);
    }
    program
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn log_in(http: &reqwest::Client, serving: &Serving) -> u16 {
    let form = [("grant_type", "password"), ("client_id", "erp"), ("username", "nobody"), ("password", "x")];
    Answer::of(http.post(format!("{}/oauth2/token", serving.base)).form(&form)).await.status
}

#[track_caller]
fn assert_lines(log: &str, what: &str, number: usize) {
    assert_eq!(log.lines().filter(|line| line.contains(what)).count(), number, "{what}: {log}");
}

#[test]
fn logins_that_find_no_place_are_one_line_and_not_an_error_each() {
    let program = program().with("SIGNET_PASSWORD_WORKERS", "1").with("SIGNET_PASSWORD_QUEUE", "0");
    let serving = program.serve();
    let statuses = block_on(async {
        let http = client();
        join_all((0..40).map(|_| log_in(&http, &serving))).await
    });
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert!(refused >= 10, "{refused} of 40 logins at once were refused, with one thread and no queue");
    let log = serving.log();
    assert_lines(&log, "answered busy: every place before the hashing threads is taken", 1);
    assert_lines(&log, r#""level":"ERROR""#, 0);
}

#[test]
fn wrong_passwords_are_a_line_each_and_those_that_are_not_looked_at_one_together() {
    let program = program();
    let serving = program.serve();
    let mut statuses = Vec::new();
    block_on(async {
        let http = client();
        for _ in 0..30 {
            statuses.push(log_in(&http, &serving).await);
        }
    });
    assert_eq!(statuses, [[400; 10].as_slice(), &[429; 20]].concat());
    let log = serving.log();
    assert_lines(&log, "login refused", 10);
    // As fail2ban and its like look for it.
    assert_lines(&log, r#""address":"127.0.0.1""#, 10);
    // Of refusals, too: those of the first ten.
    assert_lines(&log, "request refused", 10);
    assert_lines(&log, "logins answered 429: too many attempts", 1);
}
