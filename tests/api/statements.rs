//! How statements are run that run for each request: prepared once a connection, and flushed to disk or not, as each needs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use diesel::connection::{CacheSize, InstrumentationEvent};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use signet::store::login_throttles::{Pace, Slot, give_back, take};
use signet::store::revisions::{Topic, bump};
use signet::store::{Connection, Database, Store};

use crate::support::app::{Backend, Variant, block_on, run};
use crate::support::sql;

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    statement: String,
    #[diesel(sql_type = BigInt)]
    runs: i64,
}

/// A database of the newest schema behind one connection, and a pace for its counters.
async fn opened(url: &str) -> (Store, Pace) {
    let store = Store::open(Database::Postgres(url.to_owned()), 1).unwrap();
    store.migrate().await.unwrap();
    let (first_pause, longest_pause) = (Duration::seconds(30), Duration::hours(1));
    let now = "2026-11-24T21:00:00Z".parse().unwrap();
    (store, Pace { now, window: Duration::hours(1), first_pause, longest_pause })
}

/// What is prepared on the only connection of the pool, and how often each was run.
async fn prepared(store: &Store, beginning: &str) -> Vec<Row> {
    let Connection::Postgres(mut connection) = store.reading().await.unwrap() else { panic!("PostgreSQL") };
    let query = "SELECT statement, generic_plans + custom_plans AS runs FROM pg_prepared_statements
        WHERE starts_with(statement, $1)";
    diesel::sql_query(query).bind::<Text, _>(beginning).load(&mut *connection).await.unwrap()
}

async fn setting(store: &Store, name: &str) -> String {
    let Connection::Postgres(mut connection) = store.reading().await.unwrap() else { panic!("PostgreSQL") };
    let shown = diesel::dsl::sql::<Text>("current_setting(").bind::<Text, _>(name).sql(")");
    diesel::select(shown).get_result(&mut *connection).await.unwrap()
}

#[test]
fn what_runs_for_each_login_and_revocation_is_prepared_once_a_connection() {
    let Some(cluster) = crate::support::cluster::shared() else { return };
    let database = cluster.empty_database();
    block_on(async {
        let (store, pace) = opened(database.url()).await;
        let slot = |key: u8| Slot { key: vec![key], allowed: 100 };
        for attempt in 1..=5 {
            let taken = take(&store, &[slot(1), slot(2), slot(3)], &pace).await.unwrap();
            assert!(taken.len() == 3 && taken.iter().all(|slot| slot.attempts == attempt), "{taken:?}");
            assert_eq!(take(&store, &[slot(4)], &pace).await.unwrap()[0].attempts, 1);
            let four = take(&store, &[slot(4)], &pace).await.unwrap();
            give_back(&mut store.writing().await.unwrap(), &four[0]).await.unwrap();
            give_back(&mut store.writing().await.unwrap(), &four[0]).await.unwrap();
            let counted =
                store.transaction(async |connection: &mut Connection| bump(connection, Topic::Revocations).await);
            assert_eq!(counted.await.unwrap(), attempt);
        }
        let counts = prepared(&store, "INSERT INTO \"login_throttles\"").await;
        let mut runs: Vec<_> = counts.iter().map(|row| row.runs).collect();
        runs.sort_unstable();
        // Of three slots, and of one.
        assert_eq!(runs, [5, 10]);
        for (beginning, runs) in [("UPDATE \"login_throttles\"", 10), ("UPDATE \"revisions\"", 5)] {
            let rows = prepared(&store, beginning).await;
            let found: Vec<_> = rows.iter().map(|row| (row.statement.as_str(), row.runs)).collect();
            assert!(matches!(found[..], [(_, n)] if n == runs), "{beginning}: {found:?}");
        }
    });
}

#[test]
fn a_count_of_logins_is_not_waited_for_on_disk_and_what_comes_after_it_is() {
    let Some(cluster) = crate::support::cluster::shared() else { return };
    let database = cluster.empty_database();
    block_on(async {
        let (store, pace) = opened(database.url()).await;
        take(&store, &[Slot { key: vec![1], allowed: 100 }], &pace).await.unwrap();
        assert_eq!(setting(&store, "synchronous_commit").await, "on");
    });
}

/// What connections of SQLite were asked, and what of it they keep prepared.
#[derive(Default)]
struct Asked {
    queries: BTreeSet<String>,
    kept: BTreeSet<String>,
}

/// Has the connection forget what it keeps, and tell of what comes.
fn watch(connection: Connection, asked: &Arc<Mutex<Asked>>) {
    let Connection::Sqlite(mut connection) = connection else { panic!("SQLite") };
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
    let asked = asked.clone();
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        let mut asked = asked.lock().unwrap();
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = query.to_string();
                asked.queries.insert(text.split(" -- binds").next().unwrap().to_owned());
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                asked.kept.insert(sql.to_owned());
            }
            _ => {}
        }
    });
}

#[derive(diesel::QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn what_runs_for_each_request_is_prepared_once_by_sqlite_too_and_goes_through_no_table() {
    run(Backend::Sqlite, |app| async move {
        let app = app.variant(Variant { settings: &[("SIGNET_DATABASE_POOL_SIZE", "1")], ..Variant::default() }).await;
        let requests = async || {
            let session = app.log_in().await;
            let next = app.refresh(session.refresh()).await.tokens();
            let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
            for tokens in [&next, &own] {
                assert_eq!(app.introspect(&tokens.access_token).await["active"], true);
            }
        };
        // What runs once, such as remembering the address, is over then.
        requests().await;
        let asked = Arc::new(Mutex::new(Asked::default()));
        watch(app.provider.store.reading().await.unwrap(), &asked);
        watch(app.provider.store.writing().await.unwrap(), &asked);
        requests().await;
        let Asked { queries, kept } = std::mem::take(&mut *asked.lock().unwrap());
        let is_asked =
            |query: &&String| !["BEGIN", "COMMIT", "PRAGMA", "SELECT 1"].iter().any(|word| query.starts_with(word));
        let queries: Vec<_> = queries.iter().filter(is_asked).collect();
        for beginning in
            ["SELECT min(", "UPDATE `users`", "UPDATE `grants`", "INSERT INTO `grants`", "INSERT INTO `login_t"]
        {
            assert!(queries.iter().any(|query| query.starts_with(beginning)), "{beginning}: {queries:#?}");
        }
        for query in queries {
            assert!(kept.contains(query), "prepared anew each time: {query}");
            // SQLite plans it anew for each number that is bound there.
            assert!(!query.contains(" LIMIT ?"), "{query}");
            let Connection::Sqlite(mut connection) = app.provider.store.reading().await.unwrap() else {
                panic!("SQLite")
            };
            let plan = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}"));
            let plan: Vec<Step> = plan.load(&mut *connection).await.unwrap();
            assert!(plan.iter().all(|step| !step.detail.starts_with("SCAN ")), "{query}");
            // Whether an index is revoked is not looked for among all that begin before it.
            assert!(plan.iter().all(|step| !step.detail.contains("first_index<")), "{query}");
        }
    });
}

/// PostgreSQL notes in `noted` when a grant is added, and when it is asked for a revocation.
const NOTING: &str = "
    CREATE TABLE noted (number bigserial, what text);
    CREATE FUNCTION note_grant() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO noted (what) VALUES ('added'); RETURN NEW; END $$;
    CREATE TRIGGER noting BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION note_grant();
    CREATE FUNCTION note_question() RETURNS boolean VOLATILE LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO noted (what) VALUES ('asked'); RETURN true; END $$;
    ALTER TABLE revocations RENAME TO all_revocations;
    CREATE VIEW revocations AS SELECT * FROM all_revocations WHERE note_question() OFFSET 0";

#[test]
fn whether_its_index_is_revoked_is_asked_when_a_grant_is_there_whatever_is_prepared_already() {
    run(Backend::Postgres, |app| async move {
        // One, for a question to go through.
        let revoked = app.log_in().await;
        assert_eq!(app.post("/oauth2/revoke", &[("token", revoked.refresh())]).await.status, 200);
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        sql::execute(&app.config.database_url, NOTING).await.unwrap();
        // Of an instance with one connection, which has the question prepared and no statement of a login.
        let one = app.variant(Variant { settings: &[("SIGNET_DATABASE_POOL_SIZE", "1")], ..Variant::default() }).await;
        assert_eq!(one.introspect(&own.access_token).await["active"], true);
        for _ in 0..2 {
            sql::execute(&app.config.database_url, "TRUNCATE noted RESTART IDENTITY").await.unwrap();
            one.log_in().await;
            let noted = sql::dump(&app.config.database_url).await;
            let noted: Vec<_> = noted.iter().filter(|line| line.starts_with("noted")).collect();
            assert!(
                matches!(noted[..], [first, second] if first.contains("added") && second.contains("asked")),
                "{noted:?}"
            );
        }
    });
}
