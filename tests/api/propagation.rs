//! A revocation on one instance reaches the lists and the listeners of another, whatever happens to the notices.

use std::time::{Duration, Instant};

use signet::background;
use signet::config::DatabaseUrl;
use signet::status::StatusIndex;

use crate::on_both;
use crate::support::app::{App, Backend, Tokens};

/// The bound within which every instance must know.
const BOUND: Duration = Duration::from_secs(2);

fn index(tokens: &Tokens) -> StatusIndex {
    let reference = &tokens.claims()["status"]["status_list"];
    StatusIndex { list: 1, index: reference["idx"].as_i64().unwrap() }
}

/// A second instance that follows the database as `serve` does.
async fn following(app: &App) -> App {
    let other = app.second_instance().await;
    tokio::task::spawn_local(background::follow(other.provider.clone()));
    // The connection that notices stands soon after.
    tokio::time::sleep(Duration::from_millis(300)).await;
    other
}

async fn revoke(app: &App, tokens: &Tokens) {
    assert_eq!(app.post("/oauth2/revoke", &[("token", tokens.refresh())]).await.status, 200);
}

/// How long it takes until the instance's lists know.
#[track_caller]
fn arrival(other: &App, tokens: &Tokens) -> impl Future<Output = Duration> {
    let (began, index, lists) = (Instant::now(), index(tokens), other.provider.clone());
    async move {
        while !lists.lists.is_revoked(index) {
            assert!(began.elapsed() < BOUND, "the other instance does not learn of it");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }
}

/// Ends the connections that listen for notices.
async fn cut_listeners(app: &App) {
    app.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
        .await;
}

on_both! {
    async fn a_revocation_reaches_the_other_instance(app) {
        let other = following(&app).await;
        for _ in 0..10 {
            let tokens = app.log_in().await;
            revoke(&app, &tokens).await;
            arrival(&other, &tokens).await;
        }
    }

    async fn a_revocation_whose_notice_was_never_sent_is_found_by_polling(app) {
        // As if the instance had been killed after its commit.
        let other = following(&app).await;
        let tokens = app.log_in().await;
        let StatusIndex { list, index } = index(&tokens);
        let id = if app.backend() == Backend::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        app.sql("UPDATE revisions SET revision = revision + 1 WHERE topic = 'revocations'").await;
        app.sql(&format!(
            "INSERT INTO revocations (id, status_list_id, first_index, last_index, revoked_at, expires_at, revision)
             SELECT {id}, {list}, {index}, {index}, created_at, expires_at,
                (SELECT revision FROM revisions WHERE topic = 'revocations') FROM grants"
        ))
        .await;
        // The other one may have looked between the two statements; as one transaction it could not.
        app.sql("UPDATE revisions SET revision = revision + 1 WHERE topic = 'revocations'").await;
        arrival(&other, &tokens).await;
    }

    async fn without_the_listening_connection_a_revocation_is_found_by_polling(app) {
        if app.backend() == Backend::Sqlite {
            return;
        }
        let other = following(&app).await;
        for _ in 0..5 {
            let tokens = app.log_in().await;
            cut_listeners(&app).await;
            revoke(&app, &tokens).await;
            arrival(&other, &tokens).await;
        }
        // It listens again.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let tokens = app.log_in().await;
        revoke(&app, &tokens).await;
        arrival(&other, &tokens).await;
    }

    async fn notices_twice_too_early_or_without_sense_change_nothing(app) {
        let DatabaseUrl::Postgres(url) = &app.config.database_url else { return };
        let other = following(&app).await;
        let kept = app.log_in().await;
        let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
        let io = tokio::spawn(io);
        for round in 0..5 {
            let tokens = app.log_in().await;
            for payload in ["revocations", "revocations", "keys", "", "{", "configuration"] {
                client.batch_execute(&format!("NOTIFY signet, '{payload}'")).await.unwrap();
            }
            revoke(&app, &tokens).await;
            client.batch_execute("NOTIFY signet, 'revocations'").await.unwrap();
            arrival(&other, &tokens).await;
            assert!(!other.provider.lists.is_revoked(index(&kept)), "round {round}");
        }
        io.abort();
    }

    async fn with_the_database_gone_no_list_is_served_from_memory_for_longer_than_the_bound(app) {
        let other = following(&app).await;
        app.log_in().await;
        assert_eq!(other.get("/status-lists/1").await.status, 200);
        // What the poll asks is not there any more.
        app.sql("ALTER TABLE revisions RENAME TO put_aside").await;
        let began = Instant::now();
        while other.get("/status-lists/1").await.status == 200 {
            assert!(began.elapsed() < BOUND + Duration::from_secs(1), "it is still served");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        app.sql("ALTER TABLE put_aside RENAME TO revisions").await;
        let began = Instant::now();
        while other.get("/status-lists/1").await.status != 200 {
            assert!(began.elapsed() < BOUND + Duration::from_secs(1), "it does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
