//! Measures what a live grant costs in PostgreSQL after a year of logins, refreshes, logouts and purges:
//! `cargo test --test api retention_figures -- --ignored --nocapture` prints the figures of docs/retention.md.

use signet::config::DatabaseUrl;
use signet::oauth::purge::Purge;

use crate::support::app::{App, Backend, run};

const LIVE: i64 = 99_000;
const MONTH: i64 = 30 * 86_400;

/// A third of the grants is new each month, and lives for three.
const LOGINS: &str = "
    INSERT INTO grants (id, client_id, user_id, audiences, scope, generation, created_at, idle_expires_at, expires_at,
        status_list_id, status_index)
    SELECT (lpad(to_hex((extract(epoch FROM made) * 1000)::bigint), 12, '0') || '7' || substr(random, 1, 3) || '8'
            || substr(random, 4, 15))::uuid,
        (SELECT id FROM clients), users.id, '[\"https://api.example\"]', 'read write', 1, made, made + interval '14 days',
        made + interval '90 days', 1, number + {month} * 33000
    FROM (SELECT number, md5(random()::text) AS random, '{now}'::timestamptz - number * interval '1 millisecond' AS made
        FROM generate_series(1, 33000) AS number) AS logins
    JOIN users ON users.username = 'user-' || number % 10000;";

/// Everybody refreshes twice, each time a tenth of them, and autovacuum's part is done when a fifth has changed.
const REFRESHES: &str = "
    UPDATE grants SET generation = generation + 1, rotated_at = '{now}', idle_expires_at = '{now}'::timestamptz
        + interval '45 days'
    WHERE revoked_at IS NULL AND abs(hashtext(id::text)) % 10 = {tenth};";

const LOGOUTS: &str = "
    WITH ended AS (UPDATE grants SET revoked_at = '{now}', revoked_reason = 'revoked by its client'
        WHERE revoked_at IS NULL AND random() < 0.02 RETURNING status_list_id, status_index)
    INSERT INTO revocations SELECT gen_random_uuid(), status_list_id, status_index, status_index, '{now}',
        '{now}'::timestamptz + interval '25 hours' FROM ended;";

const SIZES: &str = "
    SELECT relname::text, pg_relation_size(oid), pg_indexes_size(oid), pg_total_relation_size(oid),
        CASE WHEN relname = 'grants' THEN (SELECT count(*) FROM grants) ELSE reltuples::bigint END
    FROM pg_class WHERE relname IN ('grants', 'revocations') ORDER BY relname";

const INDEXES: &str = "
    SELECT indexrelname::text, pg_relation_size(indexrelid) FROM pg_stat_user_indexes
    WHERE relname = 'grants' ORDER BY indexrelname";

#[test]
#[ignore = "measures, for docs/retention.md"]
fn a_live_grant_after_a_year_on_postgres() {
    run(Backend::Postgres, async |app: App| {
        let DatabaseUrl::Postgres(url) = &app.config.database_url else { unreachable!() };
        let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
        let io = tokio::spawn(io);
        let execute = async |text: &str, month: i64, tenth: i64| {
            let text = text
                .replace("{now}", &app.clock.now().to_rfc3339())
                .replace("{month}", &month.to_string())
                .replace("{tenth}", &tenth.to_string());
            client.batch_execute(&text).await.unwrap();
        };
        execute(
            "INSERT INTO status_lists VALUES (1, 1048576, 1048576, '{now}'), (2, 1048576, 0, '{now}');
             INSERT INTO users SELECT gen_random_uuid(), 'user-' || n, 'user-' || n, NULL, NULL, '{now}', '{now}', 1, NULL,
                NULL FROM generate_series(0, 9999) AS n;",
            0,
            0,
        )
        .await;
        let mut purge = Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone());
        let mut removed = 0;
        for month in 0..13 {
            execute(LOGINS, month, 0).await;
            for tenth in 0..20 {
                app.advance(MONTH / 21);
                execute(REFRESHES, month, tenth % 10).await;
                if tenth == 10 {
                    execute(LOGOUTS, month, 0).await;
                }
                removed += purge.round().await.unwrap().grants;
                if tenth % 2 == 1 {
                    execute("VACUUM (ANALYZE) grants, revocations", 0, 0).await;
                }
            }
            app.advance(MONTH / 21);
            removed += purge.round().await.unwrap().grants;
        }
        let live: i64 =
            client.query_one("SELECT count(*) FROM grants WHERE revoked_at IS NULL", &[]).await.unwrap().get(0);
        println!("{live} live grants of {LIVE} at most, {removed} removed");
        for row in client.query(SIZES, &[]).await.unwrap() {
            let [heap, indexes, total, rows]: [i64; 4] = std::array::from_fn(|column| row.get(column + 1));
            let each = |bytes: i64| bytes / live;
            println!(
                "{}: {rows} rows; bytes per live grant: table {}, indexes {}, together {}",
                row.get::<_, String>(0),
                each(heap),
                each(indexes),
                each(total)
            );
        }
        for row in client.query(INDEXES, &[]).await.unwrap() {
            println!("  {} {}", row.get::<_, String>(0), row.get::<_, i64>(1) / live);
        }
        io.abort();
        assert!(removed > 0 && live > LIVE / 2);
    });
}
