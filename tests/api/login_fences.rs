//! Where a password login is possible at all, what is recorded of logins, and whose word is taken for an address.

use signet::admin::clients::ClientChange;
use signet::admin::settings::SettingsChange;
use signet::admin::users::{UserChange, UserView};
use signet::admin::{Done, Error};

use crate::on_both;
use crate::support::administration::Administration;
use crate::support::app::{App, PASSWORD};
use crate::support::disclosure::contains;
use crate::support::guesses::{behind_a_proxy, change};
use crate::support::sql;

async fn allow(app: &App, networks: &[&str]) {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    let change = ClientChange { allowed_networks: Some(networks), ..ClientChange::default() };
    app.admin().update_client("erp", change).await.unwrap();
    app.synchronise().await;
}

async fn allow_password(app: &App, name: &str, allowed: bool) -> Result<Done<UserView>, Error> {
    let change = UserChange { password_grant: Some(allowed), ..UserChange::default() };
    app.admin().update_user(name, change).await
}

on_both! {
    async fn a_client_with_networks_logs_nobody_in_from_elsewhere_and_nothing_is_hashed_for_it(app) {
        let app = behind_a_proxy(&app).await;
        allow(&app, &["192.0.2.0/24", "2001:db8::/32"]).await;
        app.right("192.0.2.255", "alice").await.tokens();
        let tokens = app.right("2001:db8::7", "alice").await.tokens();
        let before = app.hashes();
        for _ in 0..12 {
            app.right("198.51.100.1", "alice").await.refused(400, "unauthorized_client");
        }
        assert_eq!(app.hashes(), before);
        // Not from an address that two headers contradict each other about.
        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let request = app.http.post(format!("{}/oauth2/token", app.base)).basic_auth("erp", Some(&app.secret));
        let request = request.header("x-forwarded-for", "198.51.100.1").header("forwarded", "for=192.0.2.1");
        crate::support::app::Answer::of(request.form(&login)).await.refused(400, "unauthorized_client");
        // A fence for passwords: a refresh and the client's own tokens come from anywhere.
        app.refresh(tokens.refresh()).await.tokens();
        app.token(&[("grant_type", "client_credentials")]).await.tokens();
        app.advance(1);
        allow(&app, &[]).await;
        app.right("198.51.100.1", "alice").await.tokens();
        let event = app.newest_event().await;
        assert_eq!(event.details.0["allowed_networks"]["before"][1], "2001:db8::/32");
    }

    async fn a_user_may_be_kept_from_the_password_grant_which_looks_like_a_wrong_password(app) {
        let tokens = app.log_in().await;
        let login = |password| {
            let app = &app;
            async move { app.attempt("", "alice", password).await }
        };
        let wrong = login("wrong").await;
        app.advance(1);
        let done = allow_password(&app, "ALICE", false).await.unwrap();
        assert!(done.view.password_grant_disabled_at.is_some() && done.notes.len() == 1);
        let before = app.hashes();
        let refused = login(PASSWORD).await;
        assert_eq!((refused.status, &refused.text), (wrong.status, &wrong.text));
        assert_eq!(refused.headers.keys_len(), wrong.headers.keys_len());
        assert_eq!(app.hashes() - before, 1);
        app.refresh(tokens.refresh()).await.tokens();
        let event = app.newest_event().await;
        assert_eq!((event.action.as_str(), event.target.as_str()), ("user.update", "user:alice"));
        allow_password(&app, "alice", false).await.unwrap();
        allow_password(&app, "alice", true).await.unwrap();
        login(PASSWORD).await.tokens();
        assert_eq!(app.events(|action| action == "user.update").await.len(), 2);
        assert!(matches!(allow_password(&app, "nobody", true).await, Err(Error::NotFound { .. })));
    }

    async fn who_still_uses_the_password_grant_is_counted(app) {
        let administration = Administration::of(&app).await;
        app.log_in().await;
        app.log_in().await;
        let wrong = [("grant_type", "password"), ("username", "alice"), ("password", "wrong")];
        app.token(&wrong).await.refused(400, "invalid_grant");
        change(&app, SettingsChange { login_limit_per_known_pair: Some(1), ..SettingsChange::default() }).await;
        app.token(&wrong).await.refused(400, "invalid_grant");
        app.token(&wrong).await.refused(429, "temporarily_unavailable");
        app.token(&wrong).await.refused(429, "temporarily_unavailable");
        let reader = administration.with_token(&app.administrator("admin:read").await);
        let metrics = reader.get("/metrics").await;
        assert_eq!((metrics.status, metrics.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
        for line in [
            "signet_password_grant_logins_total{client_id=\"erp\",outcome=\"success\"} 2",
            "signet_password_grant_logins_total{client_id=\"erp\",outcome=\"failure\"} 4",
            "signet_logins_throttled_total 2",
            "signet_password_queue_waiting 0",
        ] {
            assert!(metrics.text.lines().any(|found| found == line), "{line}: {}", metrics.text);
        }
        let writer = administration.with_token(&app.administrator("admin:write").await);
        writer.get("/metrics").await.problem(403, "insufficient_scope");
    }

    async fn a_login_is_recorded_with_user_client_address_and_request(app) {
        let app = behind_a_proxy(&app).await;
        let answer = app.right("192.0.2.1", "ALICE").await;
        let events = app.events(|action| action.starts_with("login.")).await;
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((event.action.as_str(), event.target.as_str()), ("login.success", "user:alice"));
        assert_eq!((event.actor.as_str(), event.address.as_deref()), ("client:erp", Some("192.0.2.1")));
        assert_eq!(event.request_id.as_deref(), Some(answer.header("x-request-id")));
        let claims = answer.tokens().claims();
        assert_eq!((&event.details.0["user_id"], &event.details.0["grant_id"]), (&claims["sub"], &claims["grant_id"]));
        app.refresh(answer.tokens().refresh()).await.tokens();
        assert_eq!(app.events(|action| action.starts_with("login.")).await.len(), 1, "a refresh is no login");
    }

    async fn of_many_failures_few_are_recorded_and_a_name_that_nobody_has_is_not(app) {
        let app = behind_a_proxy(&app).await;
        let typed = "correct horse battery staple 4711";
        for name in ["alice", typed] {
            let answer = app.wrong("192.0.2.1", name).await;
            for _ in 0..30 {
                app.wrong("192.0.2.1", name).await;
            }
            let events = app.events(|action| action.starts_with("login.")).await;
            let actions: Vec<&str> = events.iter().rev().map(|event| event.action.as_str()).collect();
            assert_eq!(events.len(), 2, "{actions:?}");
            assert!(actions.contains(&"login.failure") && actions.contains(&"login.throttled"), "{actions:?}");
            for event in &events {
                assert_eq!((event.actor.as_str(), event.address.as_deref()), ("client:erp", Some("192.0.2.1")));
                let (target, attempts) = if name == "alice" { ("user:alice", event.details.0["attempts"].clone()) }
                    else { ("user", event.details.0["attempts"].clone()) };
                assert_eq!((event.target.as_str(), event.details.0["user_id"].is_string()), (target, name == "alice"));
                assert_eq!(attempts, if event.action == "login.failure" { 1 } else { 10 });
            }
            let first = events.iter().find(|event| event.action == "login.failure").unwrap();
            assert_eq!(first.request_id.as_deref(), Some(answer.header("x-request-id")));
            app.sql("DELETE FROM audit_events").await;
        }
        let mut hex = String::new();
        typed.bytes().for_each(|byte| hex.push_str(&format!("{byte:02x}")));
        for line in sql::dump(&app.config.database_url).await {
            let line = line.to_lowercase();
            assert!(!contains(line.as_bytes(), typed.as_bytes()) && !line.contains(&hex), "{line}");
        }
    }

    async fn an_address_that_an_untrusted_peer_claims_is_not_believed(app) {
        for number in 0..10 {
            app.wrong(&format!("192.0.2.{number}"), "alice").await.refused(400, "invalid_grant");
        }
        app.wrong("203.0.113.1", "alice").await.refused(429, "temporarily_unavailable");
        let event = app.events(|action| action == "login.failure").await.remove(0);
        assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
        let fetch = app.http.get(format!("{}/.well-known/jwks.json", app.base)).header("x-forwarded-for", "192.0.2.9");
        fetch.header("user-agent", "curl").send().await.unwrap();
        app.provider.record_key_set_fetches().await.unwrap();
        let lines = sql::dump(&app.config.database_url).await;
        assert!(lines.iter().any(|line| line.contains("agent:curl 127.0.0.1")));
    }

    async fn a_proxy_that_is_trusted_is_believed_for_the_key_set_too(app) {
        let app = behind_a_proxy(&app).await;
        let fetch = app.http.get(format!("{}/.well-known/jwks.json", app.base)).header("forwarded", "for=192.0.2.9");
        fetch.header("user-agent", "curl").send().await.unwrap();
        app.provider.record_key_set_fetches().await.unwrap();
        let lines = sql::dump(&app.config.database_url).await;
        assert!(lines.iter().any(|line| line.contains("agent:curl 192.0.2.9")));
    }

    async fn a_change_of_the_limits_is_recorded(app) {
        app.advance(1);
        change(&app, SettingsChange { login_limit_per_name: Some(7), ..SettingsChange::default() }).await;
        let event = app.newest_event().await;
        assert_eq!(event.action, "settings.change");
        assert_eq!(event.details.0["login_limit_per_name"], serde_json::json!({ "before": 20, "after": 7 }));
    }
}
