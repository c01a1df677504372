//! `signet user import` as it is run: its files, its report, and what is left of it when it is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::on_both;
use crate::support::app::App;
use crate::support::bulk;

/// Of the password "secret", from passlib's tests.
const SSHA: &str = "{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7";

fn run(app: &App, arguments: &[&str]) -> Output {
    app.program(arguments).output().unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn logs_in(app: &App, username: &str) {
    app.token(&[("grant_type", "password"), ("username", username), ("password", "secret")]).await.tokens();
}

on_both! {
    async fn users_come_from_a_file_of_either_kind(app) {
        let folder = tempfile::tempdir().unwrap();
        let (csv, lines) = (folder.path().join("users.csv"), folder.path().join("users.jsonl"));
        std::fs::write(&csv, format!("\u{feff}username,password_hash\r\nbob,{SSHA}\r\n")).unwrap();
        std::fs::write(&lines, json!({ "username": "carl", "password_hash": SSHA }).to_string()).unwrap();
        for file in [csv, lines] {
            let output = run(&app, &["user", "import", file.to_str().unwrap(), "--json"]);
            assert!(output.status.success(), "{output:?}");
            assert_eq!(document(&output), json!({ "imported": 1, "existing": 0, "refused": 0 }));
        }
        let hashes = document(&run(&app, &["user", "hashes", "--json"]));
        let ssha = json!({ "scheme": "ssha", "imported": true, "wrapped": false, "users": 2 });
        assert!(hashes.as_array().unwrap().contains(&ssha), "{hashes}");
        let doctor = String::from_utf8(run(&app, &["doctor"]).stdout).unwrap();
        assert!(doctor.contains("still imported: 2 ssha"), "{doctor}");
        logs_in(&app, "bob").await;
        logs_in(&app, "carl").await;
        let doctor = String::from_utf8(run(&app, &["doctor"]).stdout).unwrap();
        assert!(doctor.contains("none is imported"), "{doctor}");
    }

    async fn refused_lines_are_in_the_report_and_the_first_on_standard_error(app) {
        let folder = tempfile::tempdir().unwrap();
        let (file, report) = (folder.path().join("users.csv"), folder.path().join("refused.txt"));
        let mut text = b"username,password_hash\n".to_vec();
        for at in 2..=60 {
            writeln!(text, "user{at},{}", if at % 2 == 0 { SSHA } else { "sekret-plain-text" }).unwrap();
        }
        text.extend(b"\xff,h\n");
        std::fs::write(&file, text).unwrap();
        let arguments = ["user", "import", file.to_str().unwrap(), "--json", "--report", report.to_str().unwrap()];
        let output = run(&app, &arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(document(&output), json!({ "imported": 30, "existing": 0, "refused": 30 }));
        let written = std::fs::read_to_string(&report).unwrap();
        assert_eq!(written.lines().count(), 30);
        assert!(written.starts_with("line 3: password_hash is of no scheme that is known here\nline 5: "), "{written}");
        assert!(written.ends_with("line 61: is not UTF-8\n"), "{written}");
        let told = told(&output);
        assert_eq!(told.lines().filter(|line| line.starts_with("line ")).count(), 20, "{told}");
        assert!(!told.contains("sekret") && !written.contains("sekret"));
        // Nothing is overwritten, and nothing imported without the report that was asked for.
        let again = run(&app, &arguments);
        assert_eq!(again.status.code(), Some(1));
        assert!(document(&again)["error"] == "unusable", "{again:?}");
    }

    async fn a_run_that_was_killed_goes_on_where_it_ended(app) {
        const USERS: usize = 12_000;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.jsonl");
        let line = |at| format!("{}\n", json!({ "username": format!("user{at}"), "password_hash": SSHA }));
        std::fs::write(&file, (0..USERS).map(line).collect::<String>()).unwrap();
        let mut child = app.program(&["user", "import", file.to_str().unwrap()]).stderr(Stdio::piped()).spawn().unwrap();
        // Killed when it says that it has got somewhere.
        let said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut progress = said.filter(|line| line.starts_with("importing"));
        progress.next().unwrap();
        progress.next().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let there = bulk::count(&app.config.database_url, "users").await - 1;
        assert!(there > 0 && there < USERS, "{there}");
        assert_eq!(there % 1000, 0, "a batch is there whole or not at all");

        let output = run(&app, &["user", "import", file.to_str().unwrap(), "--json"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(document(&output), json!({ "imported": USERS - there, "existing": there, "refused": 0 }));
        assert!(told(&output).contains(&format!("{there} users were there already")));
        assert_eq!(bulk::count(&app.config.database_url, "users").await, USERS + 1);
        let mut connection = app.provider.store.reading().await.unwrap();
        let events = signet::store::audit_events::newest(&mut connection, 100).await.unwrap();
        let imports = events.iter().filter(|event| event.action == "user.import");
        assert_eq!(imports.map(|event| event.details.0["users"].as_u64().unwrap()).sum::<u64>(), USERS as u64);
        logs_in(&app, "user0").await;
        logs_in(&app, &format!("user{}", USERS - 1)).await;
    }
}
