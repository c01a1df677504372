//! SQL past the program: to see that nothing has changed in a database, and to do to it what the program never does.

use std::collections::BTreeSet;

use diesel::prelude::*;
use signet::config::DatabaseUrl;

use super::app::App;

/// Everything that is in the database: a line a row, with the table's name before it.
pub async fn dump(database: &DatabaseUrl) -> BTreeSet<String> {
    match database {
        DatabaseUrl::Sqlite(path) => sqlite(path.to_str().unwrap()),
        DatabaseUrl::Postgres(url) => postgres(url.expose()).await,
    }
}

/// Executes statements; answers the database's own words when it refuses.
pub async fn execute(database: &DatabaseUrl, statement: &str) -> Result<(), String> {
    match database {
        DatabaseUrl::Sqlite(path) => {
            use diesel::connection::SimpleConnection;
            let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            connection.batch_execute(statement).map_err(|error| error.to_string())
        }
        DatabaseUrl::Postgres(url) => {
            let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
            let io = tokio::spawn(io);
            let outcome = client.batch_execute(statement).await.map_err(|error| format!("{error:?}"));
            io.abort();
            outcome
        }
    }
}

/// SQLite's one writer, held by somebody else until it is let go.
pub struct Held(SqliteConnection);

impl Held {
    pub fn writer(app: &App) -> Self {
        use diesel::connection::SimpleConnection;
        let DatabaseUrl::Sqlite(path) = &app.config.database_url else { panic!("SQLite") };
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        Self(other)
    }

    pub fn let_go(mut self) {
        use diesel::connection::SimpleConnection;
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

fn sqlite(path: &str) -> BTreeSet<String> {
    let mut connection = SqliteConnection::establish(path).unwrap();
    let mut lines = |query: &str| -> Vec<String> {
        let lines = diesel::sql_query(query).load::<Line>(&mut connection).unwrap();
        lines.into_iter().map(|line| line.line).collect()
    };
    let tables = lines("SELECT name AS line FROM sqlite_master WHERE type = 'table'");
    let rows = tables.iter().flat_map(|table| {
        let columns = lines(&format!("SELECT 'quote(' || name || ')' AS line FROM pragma_table_info('{table}')"));
        lines(&format!("SELECT '{table}: ' || {} AS line FROM {table}", columns.join("||','||")))
    });
    rows.collect()
}

async fn postgres(url: &str) -> BTreeSet<String> {
    let (client, io) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let io = tokio::spawn(io);
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let mut lines = BTreeSet::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = client.query(&format!("SELECT '{table}: ' || t::text FROM {table} t"), &[]).await.unwrap();
        lines.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    io.abort();
    lines
}
