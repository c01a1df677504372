//! No secret leaves by the log, by an answer or by what a command prints: not the right ones, not the wrong ones, and not
//! those that a careless client put where none belongs.

use signet::store::users;

use crate::support::app::{Backend, block_on};
use crate::support::disclosure::contains;
use crate::support::recorded::Program;
use crate::support::usage::Usage;

fn scan(backend: Backend) {
    let Some(program) = Program::new(backend) else { return };
    block_on(async {
        let mut usage = Usage::of(&program).await;
        let users = users::list(&mut program.store().reading().await.unwrap(), "", "", 10).await.unwrap();
        for hash in users.into_iter().filter_map(|user| user.password_hash) {
            usage.secrets.add("password hash", hash);
        }
        let log = usage.serving.log();
        for id in &usage.request_ids {
            assert!(contains(log.as_bytes(), id.as_bytes()), "{id} is not in the log, which then is not whole");
        }
        assert!(usage.secrets.len() > 30, "{}", usage.secrets.len());
        for line in log.lines() {
            usage.secrets.assert_hidden(line, line);
        }
        for said in &usage.said {
            let shown: Vec<&str> = said.shown.iter().map(String::as_str).collect();
            let found = usage.secrets.given_away_by(said.text.as_bytes(), &shown);
            assert!(found.is_empty(), "{} gives away {found:?}:\n{}", said.place, said.text);
        }
    });
}

#[test]
fn no_secret_is_logged_or_answered_on_sqlite() {
    scan(Backend::Sqlite);
}

#[test]
fn no_secret_is_logged_or_answered_on_postgres() {
    scan(Backend::Postgres);
}
