//! Events of tokens: off by default, written many at a time, kept while the database is away and counted when they are too
//! many.

use std::sync::Arc;

use futures_util::future::join_all;
use signet::oauth::token_events::{BATCH, MOST_WAITING};

use crate::audit_trail::record_tokens;
use crate::on_both;
use crate::support::app::{API, App, Backend, block_on, run};
use crate::support::bulk::count;
use crate::support::cluster::Cluster;
use crate::support::program::Program;

const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn own_tokens(app: &App, number: usize) {
    for _ in 0..number.div_ceil(50) {
        join_all((0..50.min(number)).map(|_| async { app.token(&OWN).await.tokens() })).await;
    }
}

async fn recorded(app: &App) -> usize {
    app.events(|action| action.starts_with("token.")).await.len()
}

on_both! {
    async fn tokens_are_recorded_only_where_that_is_wanted(app) {
        let session = app.log_in().await;
        app.refresh(session.refresh()).await.tokens();
        app.token(&OWN).await.tokens();
        assert_eq!(app.provider.token_events.state(), (0, 0));
        assert_eq!(app.provider.write_token_events().await.unwrap(), 0);

        record_tokens(&app).await;
        let session = app.log_in().await;
        let next = app.refresh(session.refresh()).await.tokens();
        app.refresh(session.refresh()).await.tokens();
        let own = app.token(&OWN).await.tokens();
        assert_eq!(recorded(&app).await, 0, "issuing waits for no write");
        assert_eq!(app.provider.write_token_events().await.unwrap(), 4);
        let mut events = app.events(|action| action.starts_with("token.")).await;
        events.sort_by_key(|event| event.action.clone());
        let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["token.issue", "token.issue", "token.refresh", "token.retry"]);
        let grant = format!("grant:{}", session.claims()["grant_id"].as_str().unwrap());
        for event in &events {
            assert_eq!((event.actor.as_str(), event.outcome.as_str()), ("client:erp", "success"));
            assert!(event.address.is_some() && event.request_id.is_some());
            assert!(event.target == grant || event.target == "client:erp", "{event:?}");
        }
        assert_eq!(events[2].details.0["jti"], next.claims()["jti"]);
        let event = events.iter().find(|event| event.target == "client:erp").unwrap();
        assert_eq!((&event.details.0["jti"], &event.details.0["aud"]), (&own.claims()["jti"], &own.claims()["aud"]));
    }

    async fn a_full_batch_is_written_without_waiting_and_in_one_transaction(app) {
        record_tokens(&app).await;
        own_tokens(&app, BATCH).await;
        assert_eq!(app.provider.token_events.state().0, BATCH);
        let before = (std::time::Instant::now(), app.provider.store.checkouts());
        app.provider.token_events.due().await;
        assert!(before.0.elapsed() < std::time::Duration::from_millis(500), "a full batch is due at once");
        assert_eq!(app.provider.write_token_events().await.unwrap(), BATCH);
        assert_eq!(app.provider.store.checkouts() - before.1, 1);
        assert_eq!(recorded(&app).await, BATCH);
    }
}

#[test]
fn what_was_being_written_when_the_process_was_told_to_stop_is_written_then() {
    run(Backend::Postgres, async |app: App| {
        record_tokens(&app).await;
        own_tokens(&app, 50).await;
        // The task is ended in the middle, as at the end of `serve`.
        let writing = app.provider.write_token_events();
        assert!(tokio::time::timeout(std::time::Duration::ZERO, writing).await.is_err());
        assert_eq!(app.provider.token_events.state(), (50, 0));
        app.provider.store.forget_idle_connections();
        app.provider.write_token_events().await.unwrap();
        assert_eq!(recorded(&app).await, 50);
    });
}

#[test]
fn during_an_outage_token_events_wait_up_to_the_bound_and_what_was_dropped_is_recorded() {
    let Some(cluster) = Cluster::start().map(Arc::new) else { return };
    block_on(async {
        let app = App::on_cluster(&cluster).await;
        record_tokens(&app).await;
        own_tokens(&app, 100).await;
        cluster.stop_server();
        assert!(app.provider.write_token_events().await.is_err());
        assert_eq!(app.provider.token_events.state(), (100, 0), "they wait");
        cluster.start_server();
        app.provider.store.forget_idle_connections();
        app.synchronise().await;
        own_tokens(&app, MOST_WAITING).await;
        assert_eq!(app.provider.token_events.state(), (MOST_WAITING, 100));

        app.provider.store.forget_idle_connections();
        assert_eq!(app.provider.write_token_events().await.unwrap(), MOST_WAITING);
        assert_eq!(app.provider.token_events.state(), (0, 0));
        let dropped = app.events(|action| action == "audit.dropped").await.remove(0);
        assert_eq!((dropped.actor.as_str(), dropped.outcome.as_str()), ("signet", "failure"));
        assert_eq!(dropped.details.0["events"], 100);
        assert!(count(&app.config.database_url, "audit_events").await > MOST_WAITING);
    });
}

#[test]
fn a_server_that_is_told_to_stop_has_written_every_token_down() {
    let program = Program::new();
    program.json(&["resource-server", "create", API, "--scope", "read"]);
    let create = ["client", "create", "erp", "--audience", API, "--grant-type", "client_credentials"];
    let secret = program.json(&create)["client_secret"].as_str().unwrap().to_owned();
    program.json(&["settings", "set", "--audit-tokens", "on"]);
    let serving = program.serve();
    let issued = block_on(async {
        let http = reqwest::Client::new();
        let mut issued = 0;
        // Longer than it waits, so that some are written by the way and some at the end.
        let began = std::time::Instant::now();
        while began.elapsed() < std::time::Duration::from_millis(1300) {
            let request = http.post(format!("{}/oauth2/token", serving.base)).basic_auth("erp", Some(&secret));
            assert_eq!(request.form(&OWN).send().await.unwrap().status(), 200);
            issued += 1;
        }
        issued
    });
    serving.terminate();
    assert!(serving.ended().success());
    let listed = program.json(&["audit", "list", "--action", "token.issue", "--limit", "100000"]);
    assert_eq!(listed.as_array().unwrap().len(), issued);
}
