//! The database gone or busy: refused with 503 and a time to come back, never granted, never silently not done.

use std::sync::Arc;

use crate::support::app::{App, Backend, PASSWORD, block_on, run};
use crate::support::cluster::Cluster;

#[test]
fn a_revocation_that_cannot_be_stored_is_not_reported_as_done() {
    let Some(cluster) = Cluster::start().map(Arc::new) else { return };
    block_on(async {
        let app = App::on_cluster(&cluster).await;
        let (users, own) = (app.log_in().await, app.token(&[("grant_type", "client_credentials")]).await.tokens());
        let tokens = [users.refresh(), &users.access_token, &own.access_token];
        cluster.stop_server();
        // The first requests meet connections that broke, the later ones find none.
        for token in tokens.iter().cycle().take(2 * tokens.len()) {
            app.post("/oauth2/revoke", &[("token", token)]).await.refused(503, "temporarily_unavailable");
        }
        app.post("/oauth2/introspect", &[("token", tokens[1])]).await.refused(503, "temporarily_unavailable");
        app.refresh(users.refresh()).await.refused(503, "temporarily_unavailable");
        app.token(&[("grant_type", "password"), ("username", "alice"), ("password", "x")])
            .await
            .refused(503, "temporarily_unavailable");
        assert_eq!(app.get("/.well-known/jwks.json").await.status, 200, "verifiers need no database");
        cluster.start_server();
        app.provider.store.forget_idle_connections();
        app.synchronise().await;
        assert!(app.is_active(&users.access_token).await, "nothing was revoked, as the answers said");
        for token in tokens {
            assert_eq!(app.post("/oauth2/revoke", &[("token", token)]).await.status, 200);
        }
        assert!(!app.is_active(&users.access_token).await && !app.is_active(&own.access_token).await);
    });
}

/// A row that somebody else holds, for longer than a request may wait.
#[test]
fn a_lock_that_is_not_let_go_is_a_503_on_postgres() {
    run(Backend::Postgres, |app| async move {
        let tokens = app.log_in().await;
        let signet::config::DatabaseUrl::Postgres(url) = &app.config.database_url else { panic!("PostgreSQL") };
        let (client, io) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(io);
        client.batch_execute("BEGIN; SELECT * FROM grants FOR UPDATE; SELECT * FROM users FOR UPDATE").await.unwrap();
        let revocation = [("token", tokens.refresh())];
        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let (refreshed, revoked, logged_in) =
            tokio::join!(app.refresh(tokens.refresh()), app.post("/oauth2/revoke", &revocation), app.token(&login));
        logged_in.refused(503, "temporarily_unavailable");
        refreshed.refused(503, "temporarily_unavailable");
        revoked.refused(503, "temporarily_unavailable");
        client.batch_execute("ROLLBACK").await.unwrap();
        app.refresh(tokens.refresh()).await.tokens();
    });
}

#[test]
fn a_lock_that_is_not_let_go_is_a_503_on_sqlite() {
    run(Backend::Sqlite, |app| async move {
        use diesel::connection::{Connection, SimpleConnection};
        let tokens = app.log_in().await;
        let signet::config::DatabaseUrl::Sqlite(path) = &app.config.database_url else { panic!("SQLite") };
        let mut other = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let revocation = [("token", tokens.refresh())];
        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let (refreshed, revoked, logged_in) =
            tokio::join!(app.refresh(tokens.refresh()), app.post("/oauth2/revoke", &revocation), app.token(&login));
        logged_in.refused(503, "temporarily_unavailable");
        refreshed.refused(503, "temporarily_unavailable");
        revoked.refused(503, "temporarily_unavailable");
        other.batch_execute("ROLLBACK").unwrap();
        app.refresh(tokens.refresh()).await.tokens();
    });
}
