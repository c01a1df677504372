//! Users of another system: their old passwords log them in, and ours take the place of the old hashes.

use std::collections::BTreeMap;

use signet::admin::user_import::{Import, ImportedUser, Options, RefusedLine, Summary};
use signet::secret::Secret;
use signet::store::users::{self, User};

use crate::on_both;
use crate::support::app::{Answer, App, PASSWORD};
use crate::support::sql;

/// Scheme, password, hash. Where each is from is said in the file.
const VECTORS: &str = include_str!("../fixtures/password_hashes/vectors.tsv");
/// Of the password "secret", from passlib's tests.
const SSHA: &str = "{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7";

fn vectors() -> Vec<[&'static str; 3]> {
    let lines = VECTORS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap()).collect()
}

fn row(line: u64, username: &str, password_hash: &str) -> ImportedUser {
    ImportedUser {
        line,
        username: username.to_owned(),
        email: None,
        password_hash: password_hash.to_owned(),
        disabled: false,
        password_changed_at: None,
    }
}

async fn import(app: &App, options: Options, rows: Vec<ImportedUser>) -> (Summary, Vec<RefusedLine>) {
    let admin = app.admin();
    let mut import = Import::new(&admin, options);
    let refused = import.add(rows).await.unwrap();
    (import.summary(), refused)
}

/// Imports and takes nothing amiss.
async fn taken(app: &App, options: Options, rows: Vec<ImportedUser>) {
    let expected = rows.len() as u64;
    let (summary, refused) = import(app, options, rows).await;
    assert_eq!(summary, Summary { imported: expected, existing: 0, refused: 0 }, "{refused:?}");
}

async fn log_in(app: &App, username: &str, password: &str) -> Answer {
    app.token(&[("grant_type", "password"), ("username", username), ("password", password)]).await
}

async fn user(app: &App, username: &str) -> User {
    let mut connection = app.provider.store.reading().await.unwrap();
    users::find_by_name(&mut connection, username).await.unwrap().unwrap()
}

async fn stored_hash(app: &App, username: &str) -> String {
    user(app, username).await.password_hash.unwrap()
}

/// Imported hashes by scheme, and whether they are wrapped.
async fn counts(app: &App) -> BTreeMap<(String, bool), u64> {
    let counts = app.admin().password_hashes().await.unwrap().into_iter().filter(|count| count.imported);
    counts.map(|count| ((count.scheme, count.wrapped), count.users)).collect()
}

/// Each user logs in with the old password, and from then on has a hash of ours.
async fn every_scheme(app: &App, options: Options, prefix: &str) {
    let vectors = vectors();
    let name = |at: usize| format!("user{at}");
    let rows = vectors.iter().enumerate().map(|(at, [_, _, hash])| row(at as u64 + 1, &name(at), hash)).collect();
    taken(app, options, rows).await;
    let counted = counts(app).await;
    assert_eq!(counted.values().sum::<u64>(), vectors.len() as u64);
    assert_eq!(counted.keys().filter(|(_, wrapped)| *wrapped == options.wrap).count(), 12);
    for (at, [scheme, password, hash]) in vectors.iter().enumerate() {
        let name = name(at);
        let stored = stored_hash(app, &name).await;
        assert!(stored.starts_with(&format!("{prefix}{scheme}$")), "{stored}");
        log_in(app, &name, &format!("x{password}")).await.refused(400, "invalid_grant");
        assert_eq!(stored_hash(app, &name).await, stored, "a wrong password changes nothing");
        let tokens = log_in(app, &name, password).await.tokens();
        let ours = stored_hash(app, &name).await;
        assert!(ours.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}: {ours}");
        log_in(app, &name, password).await.tokens();
        log_in(app, &name, &format!("x{password}")).await.refused(400, "invalid_grant");
        assert_eq!(stored_hash(app, &name).await, ours);
        // It is the same password still: what it gave is not taken back.
        app.refresh(tokens.refresh()).await.tokens();
    }
    assert_eq!(counts(app).await, BTreeMap::new());
}

on_both! {
    async fn a_user_of_every_scheme_logs_in_and_has_a_hash_of_ours_from_then_on(app) {
        every_scheme(&app, Options::default(), "$signet-imported$").await;
    }

    async fn a_wrapped_hash_of_every_scheme_logs_in_too(app) {
        let options = Options { wrap: true, wrappers: 2, ..Options::default() };
        every_scheme(&app, options, "$signet-wrapped$").await;
    }

    async fn no_wrapped_row_holds_the_old_hash(app) {
        let options = Options { wrap: true, ..Options::default() };
        taken(&app, options, vec![row(1, "bob", SSHA)]).await;
        let stored = stored_hash(&app, "bob").await;
        // The digest, in the two alphabets of base64.
        for digest in ["0H+zTv8o4MR4H43n03eCsvw1luE", "0H-zTv8o4MR4H43n03eCsvw1luE"] {
            assert!(!stored.contains(digest), "{stored}");
        }
        assert!(stored.contains("$argon2id$v=19$m=64,t=1,p=1$"));
    }

    async fn the_length_rule_is_for_new_passwords_not_for_those_that_come_along(app) {
        taken(&app, Options::default(), vec![row(1, "bob", SSHA)]).await;
        log_in(&app, "bob", "secret").await.tokens();
        let refused = app.admin().set_password("bob", Secret::new("secret")).await.unwrap_err().to_string();
        assert!(refused.contains("15 characters"), "{refused}");
        log_in(&app, "bob", "secret").await.tokens();
    }

    async fn a_disabled_user_comes_disabled(app) {
        taken(&app, Options::default(), vec![ImportedUser { disabled: true, ..row(1, "bob", SSHA) }]).await;
        let before = app.provider.passwords.computations();
        log_in(&app, "bob", "secret").await.refused(400, "invalid_grant");
        assert_eq!(app.provider.passwords.computations() - before, 1, "as a user who is not there");
        assert!(stored_hash(&app, "bob").await.starts_with("$signet-imported$"));
        app.admin().enable_user("bob").await.unwrap();
        log_in(&app, "bob", "secret").await.tokens();
    }

    async fn a_wrong_password_of_an_imported_user_costs_what_an_unknown_user_costs(app) {
        taken(&app, Options::default(), vec![row(1, "bob", SSHA)]).await;
        let mut answers = Vec::new();
        for (username, password) in [("nobody", "secret"), ("bob", "wrong"), ("alice", "wrong")] {
            let before = app.provider.passwords.computations();
            answers.push(log_in(&app, username, password).await.text);
            assert_eq!(app.provider.passwords.computations() - before, 1, "{username}");
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }

    async fn what_is_known_of_a_user_comes_along(app) {
        let changed = app.clock.now() - chrono::Duration::days(400);
        let zoe = ImportedUser {
            email: Some("zoe@example.com".to_owned()),
            password_changed_at: Some(changed),
            ..row(1, "Zoë", SSHA)
        };
        taken(&app, Options::default(), vec![zoe]).await;
        let user = user(&app, "zoë").await;
        assert_eq!((user.username.as_str(), user.email.as_deref()), ("Zoë", Some("zoe@example.com")));
        assert_eq!((user.password_changed_at, user.created_at), (changed, app.clock.now()));
        assert_eq!((user.last_login_at, user.disabled_at, user.password_version), (None, None, 1));
        log_in(&app, "ZOE\u{308}", "secret").await.tokens();
    }

    async fn each_refused_line_is_told_and_the_others_are_imported(app) {
        let future = app.clock.now() + chrono::Duration::seconds(1);
        let rows = vec![
            row(1, "bob", SSHA),
            row(2, " carl", SSHA),
            row(3, "dora", "$1$dOHYPKoP$tnxS1T8Q6VVn3kpV8cN6o."),
            ImportedUser { email: Some("nowhere".to_owned()), ..row(4, "emil", SSHA) },
            row(5, "BOB", SSHA),
            ImportedUser { password_changed_at: Some(future), ..row(6, "fritz", SSHA) },
            row(7, "ALICE", SSHA),
            row(8, "gustav", "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            row(9, "hans", SSHA),
            row(10, "ｂｏｂ", SSHA),
        ];
        let (summary, refused) = import(&app, Options::default(), rows).await;
        assert_eq!(summary, Summary { imported: 2, existing: 0, refused: 8 });
        let expected = [
            (2, "username begins or ends with white space"),
            (3, "password_hash is of the scheme md5-crypt, which is not taken: the user needs a new password"),
            (4, "email is not an e-mail address, such as anna@example.com"),
            (5, "the user is on line 1 already"),
            (6, "password_changed_at lies in the future"),
            (7, "the name counts as that of the user alice, who is there already"),
            (8, "password_hash would keep a login too long: its cost is 15, where 14 is allowed"),
            (10, "the user is on line 1 already"),
        ];
        let told: Vec<_> = refused.iter().map(|refused| (refused.line, refused.reason.as_str())).collect();
        assert_eq!(told, expected);
        for name in ["bob", "hans"] {
            log_in(&app, name, "secret").await.tokens();
        }
        app.log_in().await;
    }

    async fn a_name_of_an_earlier_batch_is_refused_with_both_lines(app) {
        for dry_run in [true, false] {
            let admin = app.admin();
            let mut import = Import::new(&admin, Options { dry_run, ..Options::default() });
            assert_eq!(import.add(vec![row(1, "bob", SSHA)]).await.unwrap(), []);
            let refused = import.add(vec![row(2, "Bob", SSHA), row(3, "carl", SSHA)]).await.unwrap();
            assert_eq!(refused, [RefusedLine { line: 2, reason: "the user is on line 1 already".to_owned() }]);
            assert_eq!(import.summary(), Summary { imported: 2, existing: 0, refused: 1 });
        }
    }

    async fn who_is_there_is_left_as_they_are(app) {
        let rows = || vec![row(1, "alice", SSHA), row(2, "bob", SSHA), row(3, "carl", SSHA)];
        let (summary, _) = import(&app, Options::default(), rows()).await;
        assert_eq!(summary, Summary { imported: 2, existing: 1, refused: 0 });
        log_in(&app, "bob", "secret").await.tokens();
        let before = sql::dump(&app.config.database_url).await;
        for dry_run in [false, true] {
            let (summary, _) = import(&app, Options { dry_run, ..Options::default() }, rows()).await;
            assert_eq!(summary, Summary { imported: 0, existing: 3, refused: 0 });
        }
        assert_eq!(sql::dump(&app.config.database_url).await, before);
        log_in(&app, "alice", PASSWORD).await.tokens();
    }

    async fn a_dry_run_changes_nothing_and_says_what_would_be(app) {
        let before = sql::dump(&app.config.database_url).await;
        let computed = app.provider.passwords.computations();
        let options = Options { dry_run: true, wrap: true, wrappers: 2 };
        let rows = vec![row(1, "bob", SSHA), row(2, "carl", "{MD5}/F4DjTilcDIIVEHn/nAQsA=="), row(3, "alice", SSHA)];
        let (summary, refused) = import(&app, options, rows).await;
        assert_eq!((summary, refused.len()), (Summary { imported: 1, existing: 1, refused: 1 }, 1));
        assert_eq!(sql::dump(&app.config.database_url).await, before);
        assert_eq!(app.provider.passwords.computations(), computed, "nothing is wrapped");
    }

    async fn two_imports_at_once_make_each_user_once(app) {
        let rows = || (1..=300).map(|at| row(at, &format!("user{at}"), SSHA)).collect::<Vec<_>>();
        for round in 0..3 {
            app.sql("DELETE FROM users WHERE username <> 'alice'").await;
            let options = Options { wrap: round == 2, wrappers: 1, ..Options::default() };
            let (first, second) = tokio::join!(import(&app, options, rows()), import(&app, options, rows()));
            assert_eq!(first.0.imported + second.0.imported, 300, "{first:?} {second:?}");
            assert_eq!(first.0.existing + second.0.existing, 300);
        }
    }

    async fn a_batch_is_one_audit_event(app) {
        app.advance(1);
        let rows = (1..=50).map(|at| ImportedUser { disabled: at % 10 == 0, ..row(at, &format!("user{at}"), SSHA) });
        taken(&app, Options::default(), rows.collect()).await;
        let mut connection = app.provider.store.reading().await.unwrap();
        let events = signet::store::audit_events::newest(&mut connection, 5).await.unwrap();
        assert_eq!((events[0].action.as_str(), events[0].target.as_str()), ("user.import", "users"));
        assert_eq!(events[0].details.0, serde_json::json!({ "users": 50, "disabled": 5, "wrapped": false }));
        assert!(events[1..].iter().all(|event| event.action != "user.import"));
    }
}
