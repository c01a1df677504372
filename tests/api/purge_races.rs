//! The purge beside everything else: redemptions, another purge, and a kill in the middle.

use std::time::Duration;

use signet::admin::settings::SettingsChange;
use signet::config::DatabaseUrl;
use signet::oauth::purge::Purge;

use crate::crash::register;
use crate::on_both;
use crate::support::app::{Answer, App, PASSWORD, Tokens, block_on};
use crate::support::bulk::{copy_grant, count};
use crate::support::cluster;
use crate::support::program::{Program, new_master_key};
use crate::support::sql;

const DEAD: usize = 4000;

/// Many dead grants, and some live ones that were made before and after them.
async fn sessions(app: &App) -> Vec<Tokens> {
    let unlimited = SettingsChange { grant_limit: Some(10_000), ..SettingsChange::default() };
    app.admin().change_settings(unlimited).await.unwrap();
    app.synchronise().await;
    let mut sessions = vec![app.log_in().await];
    copy_grant(&app.config.database_url, DEAD).await;
    for _ in 0..9 {
        sessions.push(app.log_in().await);
    }
    app.advance(13 * 86_400);
    for session in &mut sessions {
        *session = app.refresh(session.refresh()).await.tokens();
    }
    app.advance(3 * 86_400);
    sessions
}

fn purge(app: &App) -> Purge {
    Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone())
}

on_both! {
    async fn no_live_session_is_lost_to_a_purge_beside_its_refreshes(app) {
        let other = app.second_instance().await;
        let sessions = sessions(&app).await;
        let refreshing = sessions.into_iter().enumerate().map(|(number, mut session)| {
            let instance = if number % 2 == 0 { &app } else { &other };
            async move {
                for _ in 0..10 {
                    session = instance.refresh(session.refresh()).await.tokens();
                }
                session
            }
        });
        let (removed, sessions) =
            tokio::join!(purge(&other).everything(), futures_util::future::join_all(refreshing));
        assert_eq!(removed.unwrap().grants, DEAD);
        for session in sessions {
            assert!(app.is_active(&session.access_token).await);
            app.refresh(session.refresh()).await.tokens();
        }
    }

    async fn a_row_that_somebody_holds_is_left_for_the_next_time(app) {
        // SQLite has one writer at a time.
        let DatabaseUrl::Postgres(url) = &app.config.database_url else { return };
        let (expired, idle) = (app.log_in().await, app.log_in().await);
        for (session, change) in [(&expired, "expires_at = created_at"), (&idle, "idle_expires_at = created_at")] {
            let id = session.claims()["grant_id"].as_str().unwrap().to_owned();
            app.sql(&format!("UPDATE grants SET {change} WHERE id = '{id}'")).await;
        }
        copy_grant(&app.config.database_url, 1).await;
        app.advance(2 * 86_400);
        let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
        let io = tokio::spawn(io);
        let held = "BEGIN; SELECT 1 FROM grants ORDER BY created_at, id LIMIT 2 FOR UPDATE";
        client.batch_execute(held).await.unwrap();
        assert_eq!(purge(&app).everything().await.unwrap().grants, 2);
        client.batch_execute("COMMIT").await.unwrap();
        assert_eq!(purge(&app).everything().await.unwrap().grants, 2);
        io.abort();
    }

    async fn two_instances_that_purge_at_once_remove_each_row_once(app) {
        let other = app.second_instance().await;
        let sessions = sessions(&app).await;
        app.advance(75 * 86_400);
        let (here, there) = tokio::join!(purge(&app).everything(), purge(&other).everything());
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(here.grants + there.grants, DEAD + sessions.len());
        assert_eq!(count(&app.config.database_url, "grants").await, 0);
        app.log_in().await;
    }
}

/// Kills `signet purge` when it has done a part.
async fn kill_in_the_middle(program: &Program) {
    let secret = register(program).await;
    let serving = program.serve();
    let http = reqwest::Client::new();
    let ask = async |form: &[(&str, &str)]| {
        let request = http.post(format!("{}/oauth2/token", serving.base)).basic_auth("erp", Some(&secret));
        Answer::of(request.form(form)).await.tokens()
    };
    let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    ask(&login).await;
    let database = program.config().database_url;
    copy_grant(&database, 30_000).await;
    let long_ago = match &database {
        DatabaseUrl::Sqlite(_) => "idle_expires_at = created_at - 2592000000000",
        DatabaseUrl::Postgres(_) => "idle_expires_at = created_at - interval '30 days'",
    };
    sql::execute(&database, &format!("UPDATE grants SET {long_ago}")).await.unwrap();
    let session = ask(&login).await;

    let purging = program.start(&["purge"]);
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if count(&database, "grants").await < 30_002 {
            break;
        }
    }
    purging.kill();
    // PostgreSQL ends what it was told last.
    let mut left = count(&database, "grants").await;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = count(&database, "grants").await;
        if std::mem::replace(&mut left, now) == now {
            break;
        }
    }
    assert!(left > 1, "it was faster");
    let session = ask(&[("grant_type", "refresh_token"), ("refresh_token", session.refresh())]).await;
    let removed = program.json(&["purge"]);
    assert_eq!(removed["grants"], left - 1, "whole batches were done, and the rest still can be");
    ask(&[("grant_type", "refresh_token"), ("refresh_token", session.refresh())]).await;
    assert_eq!(program.json(&["purge"])["grants"], 0);
}

#[test]
fn a_purge_on_sqlite_that_is_killed_has_done_no_harm_and_can_be_done_again() {
    block_on(kill_in_the_middle(&Program::new()));
}

#[test]
fn a_purge_on_postgres_that_is_killed_has_done_no_harm_and_can_be_done_again() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let program = Program::new().with("SIGNET_DATABASE_URL", database.url());
    std::fs::create_dir(program.file("")).unwrap();
    new_master_key(&program.file("master.key"));
    block_on(kill_in_the_middle(&program));
}
