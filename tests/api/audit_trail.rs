//! What is recorded: each thing that happens, with who did it, to whom, from where, by which request, and how it ended. And
//! nothing secret.

use serde_json::json;
use signet::admin::audit_trail::{Cursor, EventView, Filter, Page};
use signet::admin::settings::SettingsChange;
use signet::keys::Activation;
use signet::secret::Secret;
use signet::store::audit_events::{AuditEvent, Outcome};

use crate::on_both;
use crate::support::app::{API, Answer, App, PASSWORD};
use crate::support::disclosure::Secrets;
use crate::support::program::Program;
use crate::support::sql::dump;

/// The one event of an action, which came by HTTP.
async fn requested(app: &App, action: &str) -> AuditEvent {
    let mut found = app.events(|known| known == action).await;
    assert_eq!(found.len(), 1, "{action}: {found:?}");
    let event = found.remove(0);
    assert_eq!(event.address.as_deref(), Some("127.0.0.1"), "{action}");
    assert!(event.request_id.as_ref().is_some_and(|id| !id.is_empty()), "{action}");
    event
}

fn said(event: &AuditEvent) -> (&str, &str, &str) {
    (&event.actor, &event.target, &event.outcome)
}

/// What the administrator, or the program itself, has recorded of an action: actor, target.
async fn done(app: &App, action: &str) -> Vec<(String, String)> {
    let events = app.events(|known| known == action).await;
    assert!(events.iter().all(|event| event.outcome == "success"), "{action}");
    events.into_iter().map(|event| (event.actor, event.target)).collect()
}

async fn failed_login(app: &App) -> Answer {
    app.token(&[("grant_type", "password"), ("username", "alice"), ("password", "not her password, surely")]).await
}

pub async fn record_tokens(app: &App) {
    let change = SettingsChange { audit_tokens: Some(true), ..SettingsChange::default() };
    app.admin().change_settings(change).await.unwrap();
    app.synchronise().await;
}

/// Every event, by pages of three, the newest first.
async fn all(app: &App, filter: &Filter) -> Vec<EventView> {
    let (mut found, mut page): (Vec<EventView>, _) = (Vec::new(), Page::Newest);
    loop {
        let events = app.admin().audit_events(filter, page, 3).await.unwrap();
        let Some(last) = events.last() else { return found };
        page = Page::Before(last.cursor());
        found.extend(events);
    }
}

fn of(user: &str) -> Filter {
    Filter { user: Some(user.to_owned()), ..Filter::default() }
}

on_both! {
    async fn logins_are_recorded_with_their_outcome(app) {
        failed_login(&app).await.refused(400, "invalid_grant");
        assert_eq!(said(&requested(&app, "login.failure").await), ("client:erp", "user:alice", "failure"));
        for _ in 0..9 {
            failed_login(&app).await;
        }
        assert_eq!(said(&requested(&app, "login.throttled").await), ("client:erp", "user:alice", "failure"));
        app.advance(3600);
        app.log_in().await;
        assert_eq!(said(&requested(&app, "login.success").await), ("client:erp", "user:alice", "success"));
    }

    async fn a_clients_own_revocation_is_recorded_once(app) {
        let session = app.log_in().await;
        let grant = session.claims()["grant_id"].as_str().unwrap().to_owned();
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        for token in [session.refresh(), session.refresh(), "unknown"] {
            assert_eq!(app.post("/oauth2/revoke", &[("token", token)]).await.status, 200);
        }
        let event = requested(&app, "grant.revoke").await;
        assert_eq!(said(&event), ("client:erp", format!("grant:{grant}").as_str(), "success"));
        app.sql("DELETE FROM audit_events").await;
        for _ in 0..2 {
            app.post("/oauth2/revoke", &[("token", &own.access_token)]).await;
        }
        let event = requested(&app, "token.revoke").await;
        assert_eq!(said(&event), ("client:erp", "client:erp", "success"));
        assert_eq!(event.details.0["jti"], own.claims()["jti"]);
    }

    async fn a_replay_is_a_failure_and_an_own_change_of_password_is_the_users(app) {
        let session = app.log_in().await;
        app.refresh(session.refresh()).await.tokens();
        app.advance(60);
        app.refresh(session.refresh()).await.refused(400, "invalid_grant");
        let event = requested(&app, "refresh_token.replayed").await;
        assert_eq!((event.actor.as_str(), event.outcome.as_str()), ("client:erp", "failure"));
        let form = [("username", "alice"), ("password", PASSWORD), ("new_password", "another meadow 48 lantern")];
        assert_eq!(app.post_bare("/account/password", &form).await.status, 204);
        assert_eq!(said(&requested(&app, "user.change_password").await), ("user:alice", "user:alice", "success"));
    }

    async fn keys_that_the_program_makes_and_removes_by_itself_are_its_own(app) {
        let first = app.get("/.well-known/jwks.json").await.json()["keys"][0]["kid"].as_str().unwrap().to_owned();
        let of_first = ("signet".to_owned(), format!("signing_key:{first}"));
        assert_eq!(done(&app, "signing_key.create").await, std::slice::from_ref(&of_first), "the issuer's first");
        app.advance(1);
        app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        app.admin().keys.reload().await.unwrap();
        let made = done(&app, "signing_key.create").await;
        assert_eq!((made.len(), made[0].0.as_str()), (2, "test"), "the newest first: {made:?}");
        let kid = made[0].1.strip_prefix("signing_key:").unwrap();
        app.advance(1);
        app.admin().revoke_key(kid).await.unwrap();
        assert_eq!(done(&app, "signing_key.revoke").await, [("test".to_owned(), made[0].1.clone())]);
        let made = done(&app, "signing_key.create").await;
        assert_eq!((made.len(), made[0].0.as_str()), (3, "test"), "what signs in its stead");
        app.advance(100 * 86_400);
        app.provider.keys.maintain().await.unwrap();
        let made = done(&app, "signing_key.create").await;
        assert_eq!(made[0].0, "signet", "{made:?}");
        assert!(done(&app, "signing_key.remove").await.contains(&of_first));
    }

    async fn a_change_says_what_was_before_and_what_is_after(app) {
        let admin = app.admin();
        app.advance(1);
        admin.disable_client("erp").await.unwrap();
        assert_eq!(app.newest_event().await.details.0, json!({ "disabled": { "before": false, "after": true } }));
        app.advance(1);
        admin.disable_user("alice").await.unwrap();
        let event = app.newest_event().await;
        assert_eq!(event.details.0["disabled"], json!({ "before": false, "after": true }));
        app.advance(1);
        admin.delete_client("erp").await.unwrap();
        assert_eq!(app.newest_event().await.details.0["before"]["client_id"], "erp");
        app.advance(1);
        admin.delete_resource_server(API).await.unwrap();
        assert_eq!(app.newest_event().await.details.0["before"]["audience"], API);
        app.advance(1);
        admin.delete_user("alice").await.unwrap();
        assert_eq!(app.newest_event().await.details.0["before"]["username"], "alice");
    }

    async fn events_are_found_by_whom_they_are_about_and_in_pages(app) {
        app.advance(1);
        let session = app.log_in().await;
        for _ in 0..3 {
            failed_login(&app).await;
        }
        app.user("bert").await;
        app.post("/oauth2/revoke", &[("token", session.refresh())]).await;

        let everything = all(&app, &Filter::default()).await;
        assert!(everything.is_sorted_by_key(|event| std::cmp::Reverse((event.at, event.id))));
        assert_eq!(everything.len(), app.events(|_| true).await.len());

        let alice = all(&app, &of("alice")).await;
        assert!(alice.len() >= 3 && alice.iter().all(|event| event.target == "user:alice"), "{alice:?}");
        let client = Filter { client: Some("erp".to_owned()), ..Filter::default() };
        let erp = all(&app, &client).await;
        let about = |event: &EventView| event.actor == "client:erp" || event.target == "client:erp";
        assert_eq!(erp.len(), everything.iter().filter(|event| about(event)).count());
        assert!(erp.iter().any(|event| event.actor == "test") && erp.iter().any(|event| event.actor == "client:erp"));
        let both = all(&app, &Filter { client: client.client.clone(), ..of("alice") }).await;
        assert!(!both.is_empty() && both.iter().all(|event| about(event) && event.target == "user:alice"));

        let action = |action: &str| Filter { action: Some(action.to_owned()), ..Filter::default() };
        let logins = all(&app, &action("login.")).await;
        assert!(logins.is_sorted_by_key(|event| std::cmp::Reverse((event.at, event.id))));
        assert_eq!(logins.len(), everything.iter().filter(|event| event.action.starts_with("login.")).count());
        assert_eq!(all(&app, &action("login.success")).await.len(), 1);
        assert!(all(&app, &action("login")).await.is_empty() && all(&app, &action("nothing.")).await.is_empty());
        assert!(all(&app, &of("nobody\0")).await.is_empty());
        let failed = all(&app, &Filter { outcome: Some(Outcome::Failure), ..Filter::default() }).await;
        assert!(!failed.is_empty() && failed.iter().all(|event| event.action == "login.failure"), "{failed:?}");

        let start = everything.last().unwrap().at;
        let before = all(&app, &Filter { until: Some(start + chrono::Duration::seconds(1)), ..of("alice") }).await;
        assert_eq!(before.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["user.create"]);
        let since = Filter { from: Some(start + chrono::Duration::seconds(1)), ..of("alice") };
        assert_eq!(all(&app, &since).await.len(), alice.len() - 1);

        // Back from the middle, and from the beginning on.
        let middle = everything[everything.len() / 2].cursor();
        let newer = app.admin().audit_events(&Filter::default(), Page::After(middle), 2).await.unwrap();
        assert_eq!(newer, everything[everything.len() / 2 - 2..everything.len() / 2]);
        let (mut oldest_first, mut after): (Vec<EventView>, Option<Cursor>) = (Vec::new(), None);
        loop {
            let page = app.admin().audit_events_from(&Filter::default(), after, 4).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.cursor());
            oldest_first.extend(page);
        }
        oldest_first.reverse();
        assert_eq!(oldest_first, everything);
        assert!(app.admin().audit_events(&Filter::default(), Page::Newest, 0).await.is_err());
    }

    async fn no_event_holds_a_secret(app) {
        record_tokens(&app).await;
        let mut secrets = Secrets::default();
        secrets.add("password", PASSWORD);
        secrets.add("client secret", &app.secret);
        secrets.add("secret of the API", &app.api_secret);
        let session = app.log_in().await;
        let next = app.refresh(session.refresh()).await.tokens();
        let again = app.refresh(session.refresh()).await.tokens();
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        for token in [&session, &next, &again, &own] {
            secrets.add_access_token("access token", &token.access_token);
        }
        for token in [&session, &next] {
            secrets.add("refresh token", token.refresh());
        }
        app.token(&[("grant_type", "password"), ("username", PASSWORD), ("password", PASSWORD)]).await;
        failed_login(&app).await;
        secrets.add("wrong password", "not her password, surely");
        app.post("/oauth2/revoke", &[("token", &own.access_token)]).await;
        app.advance(60);
        app.refresh(session.refresh()).await.refused(400, "invalid_grant");
        let admin = app.admin();
        for secret in [
            admin.rotate_client_secret("erp", Some(60)).await.unwrap().client_secret,
            admin.rotate_resource_server_secret(API, None).await.unwrap().client_secret,
        ] {
            secrets.add("rotated secret", secret.unwrap().expose());
        }
        let changed = "yet another lantern 49 window";
        secrets.add("changed password", changed);
        admin.set_password("alice", Secret::new(changed)).await.unwrap();
        let kid = app.get("/.well-known/jwks.json").await.json()["keys"][0]["kid"].as_str().unwrap().to_owned();
        let passphrase = "a passphrase for the key file 77";
        secrets.add("passphrase", passphrase);
        secrets.add("exported key", admin.export_private_key(&kid, &Secret::new(passphrase)).await.unwrap());
        assert_eq!(done(&app, "signing_key.export").await.len(), 1);
        app.provider.write_token_events().await.unwrap();
        app.advance(180);
        app.provider.audit_trail().seal(1000).await.unwrap();

        let lines: Vec<String> = dump(&app.config.database_url).await.into_iter().filter(|l| l.starts_with("audit_")).collect();
        assert!(lines.len() > 15, "{}", lines.len());
        for line in lines {
            secrets.assert_hidden(&line, &line);
        }
    }
}

#[test]
fn the_command_lists_exports_and_verifies() {
    let program = Program::new();
    program.json(&["resource-server", "create", API, "--scope", "read"]);
    program.json(&["resource-server", "disable", API]);
    let listed = program.json(&["audit", "list", "--actor", "cli", "--since", "1h"]);
    let actions: Vec<&str> = listed.as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["resource_server.disable", "resource_server.create"]);
    assert_eq!(program.json(&["audit", "list", "--limit", "1"]).as_array().unwrap().len(), 1);
    assert_eq!(program.json(&["audit", "list", "--until", "1h"]), json!([]));
    assert_eq!(
        program.json(&["audit", "list", "--action", "signing_key.", "--outcome", "success"])[0]["actor"],
        "signet"
    );

    let exported = program.run(&["audit", "export", "--actor", "cli"]);
    assert_eq!(exported.status, Some(0), "{}", exported.stderr);
    let lines: Vec<EventView> = exported.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&str> = lines.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["resource_server.create", "resource_server.disable"], "the oldest first");

    let verified = program.json(&["audit", "verify"]);
    assert_eq!((&verified["holds"], &verified["seals"]), (&json!(true), &json!(0)));
    assert!(verified["unsealed_events"].as_u64().unwrap() >= 3);
    assert_eq!(program.run(&["audit", "list", "--since", "yesterday"]).status, Some(2));
}
