//! Measures every listing of the administration API with 100,000 users and 1,000,000 grants:
//! `cargo test --release --test api listing_figures -- --ignored --nocapture` prints the figures of docs/administration.md.

use std::time::{Duration, Instant};

use crate::support::administration::Administration;
use crate::support::app::{App, Backend, run};

const POSTGRES: &str = "
    INSERT INTO users (id, username, canonical_username, created_at, password_changed_at, password_version)
    SELECT gen_random_uuid(), 'user-' || n, 'user-' || n, now(), now(), 1 FROM generate_series(1, 100000) AS n;
    INSERT INTO grants (id, client_id, user_id, audiences, scope, generation, created_at, idle_expires_at, expires_at,
        status_list_id, status_index)
    SELECT gen_random_uuid(), (SELECT id FROM clients WHERE client_id = 'erp'), users.id, '[\"https://api.example\"]',
        'read write', 1, '2026-01-05', '2027-01-05', '2027-01-05', 1, n
    FROM generate_series(1, 1000000) AS n JOIN users ON users.username = 'user-' || (n % 100000 + 1);
    ANALYZE;";

const SQLITE: &str = "
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
    INSERT INTO users (id, username, canonical_username, created_at, password_changed_at, password_version)
    SELECT randomblob(16), 'user-' || n, 'user-' || n, 1767600000000000, 1767600000000000, 1 FROM n;
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000000)
    INSERT INTO grants (id, client_id, user_id, audiences, scope, generation, created_at, idle_expires_at, expires_at,
        status_list_id, status_index)
    SELECT randomblob(16), (SELECT id FROM clients WHERE client_id = 'erp'), users.id, '[\"https://api.example\"]',
        'read write', 1, 1767600000000000, 1799136000000000, 1799136000000000, 1, n
    FROM n CROSS JOIN users ON users.username = 'user-' || (n % 100000 + 1);
    ANALYZE;";

async fn measure(administration: &Administration, name: &str, first: &str) {
    let (mut times, mut path) = (Vec::new(), Some(first.to_owned()));
    while let (Some(next), true) = (&path, times.len() < 200) {
        let began = Instant::now();
        let answer = administration.get(next).await;
        times.push(began.elapsed());
        answer.done();
        let link = answer.header("link");
        path = link.strip_prefix('<').and_then(|link| link.split_once('>')).map(|(path, _)| path.to_owned());
    }
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("  {name}: {} pages, median {:.1} ms, worst {:.1} ms", times.len(), ms(median), ms(worst));
}

async fn figures(app: App) {
    println!("{:?}", app.backend());
    app.log_in().await;
    app.sql(if app.backend() == Backend::Postgres { POSTGRES } else { SQLITE }).await;
    let administration = Administration::of(&app).await;
    for (name, first) in [
        ("users", "/admin/v1/users"),
        ("users, 500 a page", "/admin/v1/users?limit=500"),
        ("users by prefix", "/admin/v1/users?username_prefix=user-99"),
        ("grants", "/admin/v1/grants"),
        ("grants, 500 a page", "/admin/v1/grants?limit=500"),
        ("grants of a user", "/admin/v1/grants?username=user-77"),
        ("grants of a client", "/admin/v1/grants?client_id=erp"),
        ("all grants of a client", "/admin/v1/grants?client_id=erp&all=true"),
        ("grants of a client that has none", "/admin/v1/grants?client_id=signet-admin"),
        ("clients", "/admin/v1/clients"),
    ] {
        measure(&administration, name, first).await;
    }
}

#[test]
#[ignore = "it measures, for minutes"]
fn listings() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        run(backend, figures);
    }
}
