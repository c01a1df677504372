//! PostgreSQL goes away and comes back, connections are cut, instances hear of each other's changes. Nothing here needs
//! a restart, and nothing is answered from a state older than the bound of two seconds.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use signet::background;

use crate::support::app::{API, Answer, App, Backend, PASSWORD, Tokens, block_on, run};
use crate::support::cluster::Cluster;
use crate::support::sql::execute;

const CLIENT_CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Lets the instance follow the database, as `serve` does.
fn follow(app: &App) {
    tokio::task::spawn_local(background::follow(app.provider.clone()));
}

/// Asks until it is so. Real time: what is waited for is measured by the machine's clock.
#[track_caller]
fn within(bound: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) -> impl Future<Output = Duration> {
    let caller = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < bound, "{what}: not within {bound:?} ({caller})");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

/// Each kind of request that cannot be answered without the database.
async fn ask_everything(app: &App, tokens: &Tokens) -> Vec<(&'static str, Answer)> {
    let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let api = (API, app.api_secret.as_str());
    let (access, refresh) = ([("token", tokens.access_token.as_str())], [("token", tokens.refresh())]);
    vec![
        ("password", app.token(&login).await),
        ("refresh_token", app.refresh(tokens.refresh()).await),
        ("an API introspects", app.post_as("/oauth2/introspect", api, &access).await),
        ("a client introspects", app.post("/oauth2/introspect", &refresh).await),
        ("an access token is revoked", app.post("/oauth2/revoke", &access).await),
        ("a refresh token is revoked", app.post("/oauth2/revoke", &refresh).await),
        ("an unknown token is revoked", app.post("/oauth2/revoke", &[("token", "unknown")]).await),
    ]
}

async fn is_ready(app: &App) -> bool {
    app.get("/readyz").await.status == 200
}

/// How many of `count` requests fail. Each of those says to come back.
async fn failures(app: &App, tokens: &Tokens, count: usize) -> usize {
    let mut failed = 0;
    for _ in 0..count {
        let introspection = [("token", tokens.access_token.as_str())];
        let answer = app.post("/oauth2/introspect", &introspection).await;
        if answer.status == 200 {
            assert_eq!(answer.json()["active"], true);
        } else {
            answer.refused(503, "temporarily_unavailable");
            failed += 1;
        }
    }
    failed
}

#[test]
fn during_an_outage_clients_are_told_to_come_back_and_afterwards_all_goes_on_without_a_restart() {
    let Some(cluster) = Cluster::start().map(Arc::new) else { return };
    block_on(async {
        let app = App::on_cluster(&cluster).await;
        follow(&app);
        let tokens = app.log_in().await;
        app.token(&CLIENT_CREDENTIALS).await.tokens();
        assert!(is_ready(&app).await);

        cluster.stop_server();
        within(Duration::from_secs(4), "/readyz says that the database is away", async || {
            for (request, answer) in ask_everything(&app, &tokens).await {
                assert_eq!(answer.status, 503, "{request}: {}", answer.text);
            }
            // Needs no database as long as the configuration was confirmed a moment ago.
            let answer = app.token(&CLIENT_CREDENTIALS).await;
            assert!(answer.status == 200 || answer.status == 503, "{}", answer.text);
            app.get("/readyz").await.status == 503
        })
        .await;

        app.token(&CLIENT_CREDENTIALS).await.refused(503, "temporarily_unavailable");
        for (_, answer) in ask_everything(&app, &tokens).await {
            answer.refused(503, "temporarily_unavailable");
        }
        assert_eq!(app.get("/readyz").await.json()["database"], false);
        for path in ["/healthz", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
            assert_eq!(app.get(path).await.status, 200, "{path}");
        }

        cluster.start_server();
        let failed = failures(&app, &tokens, 30).await;
        assert!(failed <= 2, "{failed} of 30 requests failed after the database was back");
        within(Duration::from_secs(4), "/readyz says that the database is back", async || is_ready(&app).await).await;
        app.token(&CLIENT_CREDENTIALS).await.tokens();
        app.log_in().await;
        let next = app.refresh(tokens.refresh()).await.tokens();
        assert_eq!(app.post("/oauth2/revoke", &[("token", next.refresh())]).await.status, 200);
        assert!(!app.is_active(&tokens.access_token).await);
    });
}

#[test]
fn after_a_short_outage_that_broke_every_idle_connection_at_most_a_request_or_two_fail() {
    let Some(cluster) = Cluster::start().map(Arc::new) else { return };
    block_on(async {
        let app = App::on_cluster(&cluster).await;
        let tokens = app.log_in().await;
        // Nobody follows the database here, so that nothing but the requests themselves finds out.
        join_all((0..16).map(|_| app.is_active(&tokens.access_token))).await;
        cluster.stop_server();
        cluster.start_server();
        let failed = failures(&app, &tokens, 30).await;
        assert!(failed <= 2, "{failed} of 30 requests failed");
    });
}

/// Refreshes until told to stop, as a client that tries again when it is told to; answers its newest token.
async fn keep_refreshing(app: &App, mut tokens: Tokens, stop: &Cell<bool>, failed: &Cell<usize>) -> Tokens {
    while !stop.get() {
        let answer = app.refresh(tokens.refresh()).await;
        if answer.status == 200 {
            tokens = answer.tokens();
            failed.set(failed.get() + failures(app, &tokens, 1).await);
        } else {
            answer.refused(503, "temporarily_unavailable");
            failed.set(failed.get() + 1);
        }
    }
    tokens
}

#[test]
fn connections_cut_in_the_middle_cost_nothing_but_requests_that_are_tried_again() {
    run(Backend::Postgres, |app| async move {
        follow(&app);
        let logins = join_all((0..6).map(|_| app.log_in())).await;
        let (stop, failed) = (Cell::new(false), Cell::new(0));
        let cut = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                app.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .await;
            }
            stop.set(true);
        };
        let sessions = logins.into_iter().map(|tokens| keep_refreshing(&app, tokens, &stop, &failed));
        let (sessions, ()) = tokio::join!(join_all(sessions), cut);
        assert!(failed.get() > 0, "the connections were not cut in the middle of anything");
        for tokens in sessions {
            assert!(failures(&app, &tokens, 1).await <= 1);
            within(Duration::from_secs(4), "the session goes on", async || {
                app.refresh(tokens.refresh()).await.status == 200
            })
            .await;
        }
    });
}

#[test]
fn a_change_made_at_another_instance_is_known_at_once_and_without_notices_within_two_seconds() {
    run(Backend::Postgres, |app| async move {
        follow(&app);
        let other = app.second_instance().await.admin();
        let knows = async |status, bound| {
            let what = format!("the change is known: {status}");
            within(bound, &what, async || app.token(&CLIENT_CREDENTIALS).await.status == status).await
        };
        let is_listening = async || {
            // An error as long as there is none: a division by zero.
            let listening = "SELECT 1 / count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            within(Duration::from_secs(4), "it listens", async || {
                execute(&app.config.database_url, listening).await.is_ok()
            })
            .await
        };
        let mut waited = Duration::ZERO;
        is_listening().await;
        for _ in 0..3 {
            other.disable_client("erp").await.unwrap();
            waited += knows(401, Duration::from_secs(1)).await;
            other.enable_client("erp").await.unwrap();
            waited += knows(200, Duration::from_secs(1)).await;
        }
        // Polling alone takes half a second for each, as each change comes right after the poll that saw the last one.
        assert!(waited < Duration::from_millis(1500), "{waited:?}");

        app.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await;
        other.disable_client("erp").await.unwrap();
        knows(401, Duration::from_secs(2)).await;
        is_listening().await;
        other.enable_client("erp").await.unwrap();
        knows(200, Duration::from_secs(1)).await;
    });
}
