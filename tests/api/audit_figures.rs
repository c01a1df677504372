//! What a million audit events take, in time to ask for a page of them and in room: `cargo test --test api audit_figures --
//! --ignored --nocapture` prints it.

use std::time::{Duration, Instant};

use signet::admin::audit_trail::{Filter, Page};
use signet::store::audit_events::Outcome;

use crate::support::app::{App, Backend, run};

const EVENTS: usize = 1_000_000;

/// A page may take so long.
const BOUND: Duration = Duration::from_millis(50);

async fn fill(app: &App) {
    let (series, id, at) = match app.backend() {
        Backend::Sqlite => (
            format!(
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS}) SELECT i FROM n)"
            ),
            "randomblob(16)",
            "1767614400000000 - i * 1000000",
        ),
        Backend::Postgres => (
            format!("(SELECT i FROM generate_series(1, {EVENTS}) AS series(i))"),
            "gen_random_uuid()",
            "timestamptz '2026-01-05 12:00:00Z' - i * interval '1 second'",
        ),
    };
    // A few clients, many users; nearly all are logins, and a few are rare.
    let statement = format!(
        "INSERT INTO audit_events
         SELECT {id}, {at}, 'client:c' || (i % 50),
             CASE WHEN i % 100000 = 7 THEN 'signing_key.create' WHEN i % 100 = 3 THEN 'login.failure' ELSE 'login.success' END,
             'user:u' || (i % 10000),
             '{{\"user_id\": \"019b8e3e-4c5a-7000-8000-0123456789ab\", \"grant_id\": \"019b8e3e-4c5a-7000-8000-ba9876543210\"}}',
             '192.0.2.' || (i % 250), '019b8e3e-4c5a-7000-8000-1a2b3c4d5e6f',
             CASE WHEN i % 100 = 3 THEN 'failure' ELSE 'success' END, 1 + i / 10000
         FROM {series} AS numbers"
    );
    app.sql(&statement).await;
    app.sql(if app.backend() == Backend::Postgres { "VACUUM ANALYZE audit_events" } else { "ANALYZE" }).await;
}

async fn figures(app: App) {
    fill(&app).await;
    let text = |text: &str| Some(text.to_owned());
    let day = "2026-01-01T00:00:00Z".parse().ok();
    let admin = app.admin();
    for (what, filter) in [
        ("all", Filter::default()),
        ("of a user", Filter { user: text("u4711"), ..Filter::default() }),
        ("of a client", Filter { client: text("c7"), ..Filter::default() }),
        ("of a user at a client", Filter { user: text("u4707"), client: text("c7"), ..Filter::default() }),
        ("by an actor", Filter { actor: text("client:c7"), ..Filter::default() }),
        ("by an actor who did nothing", Filter { actor: text("user:u1"), ..Filter::default() }),
        ("of a rare action", Filter { action: text("signing_key.create"), ..Filter::default() }),
        ("of a frequent action", Filter { action: text("login.success"), ..Filter::default() }),
        ("of actions that begin so", Filter { action: text("login."), ..Filter::default() }),
        ("of rare actions that begin so", Filter { action: text("signing_key."), ..Filter::default() }),
        ("that failed", Filter { outcome: Some(Outcome::Failure), ..Filter::default() }),
        ("of a client before a day", Filter { client: text("c7"), until: day, ..Filter::default() }),
        ("of a client since a day", Filter { client: text("c7"), from: day, ..Filter::default() }),
    ] {
        let mut page = Page::Newest;
        for place in ["first", "second"] {
            let began = Instant::now();
            let events = admin.audit_events(&filter, page, 100).await.unwrap();
            let took = began.elapsed();
            println!("{:?}, {what}, {place} page: {} events in {took:?}", app.backend(), events.len());
            assert!(took < BOUND, "{what}, {place} page: {took:?}");
            let Some(last) = events.last() else { break };
            page = Page::Before(last.cursor());
        }
    }
    if app.backend() == Backend::Postgres {
        let size = "DO $$ BEGIN RAISE EXCEPTION 'table % indexes % (unsealed %)', pg_relation_size('audit_events'),
            pg_indexes_size('audit_events'), pg_relation_size('audit_events_unsealed'); END $$";
        println!("{}", crate::support::sql::execute(&app.config.database_url, size).await.unwrap_err());
    } else if let signet::config::DatabaseUrl::Sqlite(path) = &app.config.database_url {
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
        println!("file {}", std::fs::metadata(path).unwrap().len());
    }
}

#[test]
#[ignore = "inserts a million rows, and measures"]
fn a_page_of_a_million_events_takes_milliseconds_on_sqlite() {
    run(Backend::Sqlite, figures);
}

#[test]
#[ignore = "inserts a million rows, and measures"]
fn a_page_of_a_million_events_takes_milliseconds_on_postgres() {
    run(Backend::Postgres, figures);
}
