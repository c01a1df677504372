//! Migrations: they can be undone, run by several processes at once, and refuse a database that is newer.

use std::collections::BTreeSet;

use signet::store::migrations::Schema;
use signet::store::{Database, Store};

use crate::support::app::block_on;
use crate::support::cluster;

/// Everything that the catalogue says of the tables, as lines.
fn dump(database: &Database) -> BTreeSet<String> {
    match database {
        Database::Sqlite(path) => {
            use diesel::prelude::*;
            #[derive(QueryableByName)]
            struct Line {
                #[diesel(sql_type = diesel::sql_types::Text)]
                line: String,
            }
            let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            let query = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master";
            let lines = diesel::sql_query(query).load::<Line>(&mut connection).unwrap();
            lines.into_iter().map(|line| line.line).collect()
        }
        Database::Postgres(url) => {
            let query = "SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable
                FROM information_schema.columns WHERE table_schema = 'public'
                UNION SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
                UNION SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace";
            block_on(async {
                let (client, io) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                let io = tokio::spawn(io);
                let rows = client.query(query, &[]).await.unwrap();
                io.abort();
                rows.iter().map(|row| row.get::<_, String>(0)).collect()
            })
        }
    }
}

/// Runs a test on an empty database of each kind.
fn on_empty(test: impl Fn(&Database)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Database::Sqlite(folder.path().join("signet.db")));
    if let Some(cluster) = cluster::shared() {
        let database = cluster.empty_database();
        test(&Database::Postgres(database.url().to_owned()));
    }
}

fn store(database: &Database) -> Store {
    Store::open(database.clone(), 2).unwrap()
}

#[test]
fn up_down_and_up_again_gives_the_same_schema() {
    on_empty(|database| {
        let migrate = || block_on(async { store(database).migrate().await.unwrap() });
        assert!(matches!(migrate(), Schema::Current { applied } if applied > 0));
        let first = dump(database);
        assert!(first.iter().any(|line| line.contains("grants_user_id")), "{first:?}");
        block_on(async { store(database).danger_revert_migrations().await.unwrap() });
        let reverted = dump(database);
        assert!(reverted.iter().all(|line| line.contains("__diesel_schema_migrations")), "{reverted:?}");
        migrate();
        assert_eq!(dump(database), first);
        assert_eq!(migrate(), Schema::Current { applied: 0 });
    });
}

#[test]
fn several_processes_that_migrate_at_once_do_not_hurt_each_other() {
    on_empty(|database| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let database = database.clone();
                std::thread::spawn(move || block_on(async { store(&database).migrate().await.unwrap() }))
            })
            .collect();
        let outcomes: Vec<Schema> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let did = |outcome: &&Schema| matches!(outcome, Schema::Current { applied } if *applied > 0);
        assert_eq!(outcomes.iter().filter(did).count(), 1, "{outcomes:?}");
    });
}

#[test]
fn a_database_that_is_newer_than_the_program_is_left_alone() {
    on_empty(|database| {
        block_on(async { store(database).migrate().await.unwrap() });
        let statement = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')";
        match database {
            Database::Sqlite(path) => {
                use diesel::connection::{Connection, SimpleConnection};
                let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                connection.batch_execute(statement).unwrap();
            }
            Database::Postgres(url) => block_on(async {
                let (client, io) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                let io = tokio::spawn(io);
                client.batch_execute(statement).await.unwrap();
                io.abort();
            }),
        }
        let before = dump(database);
        let outcome = block_on(async { store(database).migrate().await.unwrap() });
        assert_eq!(outcome, Schema::Newer { unknown: "20991231000000".to_owned() });
        assert_eq!(dump(database), before);
    });
}
