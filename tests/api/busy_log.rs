//! What the log says while more log in than may: that it is so, now and then, and not of each.

use futures_util::future::join_all;

use crate::support::app::{API, Answer, Backend, block_on};
use crate::support::recorded::Program;

#[test]
fn logins_that_find_no_place_are_one_line_and_not_an_error_each() {
    let program = Program::new(Backend::Sqlite).expect("SQLite is always there");
    let program = program.with("SIGNET_PASSWORD_WORKERS", "1").with("SIGNET_PASSWORD_QUEUE", "0");
    let created = program.run("", &["resource-server", "create", API, "--scope", "read"]);
    assert_eq!(created.status, 0, "{}", created.stderr);
    let client =
        ["client", "create", "erp", "--grant-type", "password", "--audience", API, "--scope", "read", "--public"];
    let created = program.run("", &client);
    assert_eq!(created.status, 0, "{}", created.stderr);
    let serving = program.serve();
    let refused = block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let form = [("grant_type", "password"), ("client_id", "erp"), ("username", "nobody"), ("password", "x")];
        let log_in = || Answer::of(http.post(format!("{}/oauth2/token", serving.base)).form(&form));
        let answers = join_all((0..40).map(|_| log_in())).await;
        answers.iter().filter(|answer| answer.status == 503).count()
    });
    let log = serving.log();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert!(refused >= 10, "{refused} of 40 logins at once were refused, with one thread and no queue");
    assert_eq!(lines("answered busy: every place before the hashing threads is taken"), 1, "{log}");
    assert_eq!(lines(r#""level":"ERROR""#), 0, "{log}");
}
