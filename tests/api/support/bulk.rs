//! Many rows at once, by the database's own means.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use signet::config::DatabaseUrl;

use super::sql;

/// Copies the one grant that there is, so many times.
pub async fn copy_grant(database: &DatabaseUrl, times: usize) {
    let (series, id) = match database {
        DatabaseUrl::Sqlite(_) => (
            format!(
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times}) SELECT i FROM n)"
            ),
            "randomblob(16)",
        ),
        DatabaseUrl::Postgres(_) => (format!("generate_series(1, {times})"), "gen_random_uuid()"),
    };
    let rest = "client_id, user_id, audiences, scope, generation, created_at, rotated_at, idle_expires_at, expires_at,
        revoked_at, revoked_reason, status_list_id, status_index";
    let statement =
        format!("INSERT INTO grants (id, {rest}) SELECT {id}, {rest} FROM grants CROSS JOIN {series} AS series");
    sql::execute(database, &statement).await.unwrap();
}

/// How many rows a table has.
pub async fn count(database: &DatabaseUrl, table: &str) -> usize {
    let query = format!("SELECT count(*) AS rows FROM {table}");
    let rows = match database {
        DatabaseUrl::Sqlite(path) => {
            let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
            diesel::sql_query(query).get_result::<Count>(&mut connection).unwrap().rows
        }
        DatabaseUrl::Postgres(url) => {
            let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
            let io = tokio::spawn(io);
            let rows = client.query_one(&query, &[]).await.unwrap().get(0);
            io.abort();
            rows
        }
    };
    usize::try_from(rows).unwrap()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rows: i64,
}
