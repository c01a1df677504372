//! PgBouncer in transaction mode between signet and PostgreSQL: everything works, though each transaction may meet another
//! server.

use futures_util::future::join_all;
use signet::config::DatabaseUrl;

use crate::crash::register;
use crate::support::app::{API, Answer, PASSWORD, block_on};
use crate::support::cluster::{self, Cluster};
use crate::support::pooler::Pooler;
use crate::support::program::{Program, Serving, new_master_key};

struct Pooled {
    pooler: Pooler,
    program: Program,
    database: String,
    _holder: cluster::Database,
}

/// An issuer whose program knows the database only through the pooler.
fn pooled(cluster: &Cluster) -> Option<Pooled> {
    let holder = cluster.empty_database();
    let database = holder.url().rsplit('/').next().unwrap().to_owned();
    let pooler = Pooler::start(cluster.directory(), cluster.port())?;
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}?pooler=transaction", pooler.port);
    let program = Program::new().with("SIGNET_DATABASE_URL", &url).with("SIGNET_DATABASE_POOL_SIZE", "12");
    std::fs::create_dir(program.file("")).unwrap();
    new_master_key(&program.file("master.key"));
    Some(Pooled { pooler, program, database, _holder: holder })
}

async fn post(serving: &Serving, path: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
    let url = format!("{}{path}", serving.base);
    Answer::of(reqwest::Client::new().post(url).basic_auth("erp", Some(secret)).form(form)).await
}

#[track_caller]
fn ok(answer: &Answer, what: &str) -> serde_json::Value {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text);
    serde_json::from_str(&answer.text).unwrap_or_default()
}

async fn log_in(serving: &Serving, secret: &str) -> serde_json::Value {
    let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    ok(&post(serving, "/oauth2/token", secret, &login).await, "password")
}

/// One session's life: refreshes, a retry, introspection, revocation, a token of the client's own.
async fn live(serving: &Serving, secret: &str, first: serde_json::Value) {
    let token = async |form: &[(&str, &str)]| post(serving, "/oauth2/token", secret, form).await;
    let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let mut refresh = text(&first, "refresh_token");
    let mut access = text(&first, "access_token");
    for _ in 0..5 {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let (next, again) = (ok(&token(&form).await, "refresh"), ok(&token(&form).await, "retry"));
        assert_eq!(next["refresh_token"], again["refresh_token"]);
        (refresh, access) = (text(&next, "refresh_token"), text(&next, "access_token"));
    }
    let introspect = async |token: &str| {
        ok(&post(serving, "/oauth2/introspect", secret, &[("token", token)]).await, "introspection")["active"].clone()
    };
    assert_eq!((introspect(&access).await, introspect(&refresh).await), (true.into(), true.into()));
    ok(&post(serving, "/oauth2/revoke", secret, &[("token", &refresh)]).await, "revocation");
    assert_eq!((introspect(&access).await, introspect(&refresh).await), (false.into(), false.into()));
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    assert_eq!(token(&form).await.status, 400);
    ok(&token(&[("grant_type", "client_credentials"), ("resource", API)]).await, "client credentials");
}

#[test]
fn everything_works_through_pgbouncer_in_transaction_mode() {
    let Some(cluster) = Cluster::start() else { return };
    let Some(pooled) = pooled(&cluster) else { return };
    let Pooled { program, database, .. } = &pooled;
    block_on(async {
        // Migrations and all of administration go through it, too.
        let secret = register(program).await;
        let grant_types =
            ["password", "refresh_token", "client_credentials"].map(|name| ["--grant-type", name]).concat();
        program.json(&[&["client", "update", "erp"][..], &grant_types].concat());
        let serving = program.serve();
        let mut sessions = Vec::new();
        for _ in 0..6 {
            sessions.push(log_in(&serving, &secret).await);
        }
        join_all(sessions.into_iter().map(|session| live(&serving, &secret, session))).await;

        // A rotation and a change elsewhere are seen without notices.
        let key = program.json(&["key", "rotate"]);
        let kid = key["kid"].as_str().or(key[0]["kid"].as_str()).unwrap_or_else(|| panic!("{key}")).to_owned();
        let began = std::time::Instant::now();
        while !Answer::of(reqwest::Client::new().get(format!("{}/.well-known/jwks.json", serving.base)))
            .await
            .text
            .contains(&kid)
        {
            assert!(began.elapsed() < std::time::Duration::from_secs(4), "the new key is not seen");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // Two processes name their statements alike: what one left behind would be in the other's way.
        program.json(&["user", "list"]);
        program.json(&["purge"]);
        program.json(&["client", "list"]);
        let second = program.serve();
        let sessions =
            [log_in(&serving, &secret).await, log_in(&second, &secret).await, log_in(&second, &secret).await];
        let lives = sessions.into_iter().zip([&second, &serving, &second]);
        join_all(lives.map(|(session, serving)| live(serving, &secret, session))).await;
        let left = "SELECT string_agg(name, ',') FROM pg_prepared_statements";
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}", pooled.pooler.port);
        for _ in 0..10 {
            let (client, io) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let io = tokio::spawn(io);
            let rows = client.simple_query(left).await.unwrap();
            for row in rows {
                if let tokio_postgres::SimpleQueryMessage::Row(row) = row {
                    assert_eq!(row.get(0), None, "statements are left on a server");
                }
            }
            io.abort();
        }
        let log = serving.log() + &second.log();
        assert!(!log.contains("ERROR"), "{log}");
    });
}

#[test]
fn the_limits_of_a_session_hold_in_each_transaction() {
    let Some(cluster) = Cluster::start() else { return };
    let Some(pooled) = pooled(&cluster) else { return };
    block_on(async {
        let DatabaseUrl::Postgres(url) = pooled.program.config().database_url else { panic!("PostgreSQL") };
        let store = signet::store::Store::open(signet::store::Database::Postgres(url.expose().to_owned()), 3).unwrap();
        for _ in 0..3 {
            let limits = async |connection: &mut signet::store::Connection| -> Result<String, signet::store::Error> {
                use diesel_async::RunQueryDsl as _;
                let signet::store::Connection::Postgres(connection) = connection else { panic!("PostgreSQL") };
                let shown = "current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' ' \
                     || current_setting('idle_in_transaction_session_timeout')";
                let shown = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(shown));
                Ok(shown.get_result(&mut **connection).await?)
            };
            assert_eq!(store.transaction(limits).await.unwrap(), "10s 5s 30s");
        }
    });
}
