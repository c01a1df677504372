//! Each kind of security event, after what it tells of was really done.

use serde_json::{Value, json};
use signet::admin::Choice;
use signet::admin::clients::ClientChange;
use signet::admin::grants::Filter;
use signet::admin::token_revocation::Issued;
use signet::keys::Activation;
use signet::protocol::jwk::Algorithm;
use signet::protocol::security_event::Kind;
use signet::secret::Secret;

use crate::on_both;
use crate::support::app::{App, ISSUER, PASSWORD};
use crate::support::receiver::Receiver;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type";
const NEW_PASSWORD: &str = "velvet harbour 81 compass";

/// An issuer and a receiver of all its events.
struct Told {
    app: App,
    receiver: Receiver,
}

impl Told {
    async fn new(app: App) -> Self {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        Self { app, receiver }
    }

    /// What is told of something: the subject, the name of the event, and its members.
    async fn of(&self, what: impl AsyncFnOnce(&App)) -> Vec<(Value, String, Value)> {
        let before = self.receiver.received().len();
        what(&self.app).await;
        self.app.push().await;
        let mut told = Vec::new();
        for request in &self.receiver.received()[before..] {
            let claims = self.app.verified(&request.body, &self.receiver.url()).await;
            let events = claims["events"].as_object().unwrap().clone();
            assert_eq!(events.len(), 1, "SSF 1.0 has one event a token: {claims}");
            for (uri, members) in events {
                told.push((claims["sub_id"].clone(), uri, members));
            }
        }
        told
    }

    async fn one(&self, what: impl AsyncFnOnce(&App)) -> (Value, String, Value) {
        let mut told = self.of(what).await;
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }
}

fn opaque(id: &Value) -> Value {
    json!({ "format": "opaque", "id": id })
}

fn user(sub: &Value) -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": sub })
}

fn own(name: &str) -> String {
    format!("{ISSUER}/events/{name}")
}

on_both! {
    async fn a_replayed_refresh_token(app) {
        let told = Told::new(app).await;
        let first = told.app.log_in().await;
        let claims = first.claims();
        let second = told.app.refresh(first.refresh()).await.tokens();
        let (subject, uri, members) = told.one(async |app: &App| {
            app.advance(31);
            app.refresh(second.refresh()).await.tokens();
            app.advance(31);
            app.refresh(first.refresh()).await.refused(400, "invalid_grant");
        }).await;
        assert_eq!((subject, uri), (opaque(&claims["grant_id"]), own("refresh-token-reuse")));
        assert_eq!(members, json!({ "sub": claims["sub"], "client_id": "erp" }));
    }

    async fn grants_that_end_by_client_administrator_and_eviction(app) {
        let told = Told::new(app).await;
        let (by_client, by_admin, by_token) =
            (told.app.log_in().await, told.app.log_in().await, told.app.log_in().await);
        let (sub, session_revoked) = (by_client.claims()["sub"].clone(), format!("{CAEP}/session-revoked"));
        let id = |tokens: &crate::support::app::Tokens| tokens.claims()["grant_id"].clone();

        let ended = told.one(async |app: &App| {
            let request = app.http.post(format!("{}/oauth2/revoke", app.base)).basic_auth("erp", Some(&app.secret));
            let form = [("token", by_client.refresh())];
            assert_eq!(request.header("x-request-id", "request-4711").form(&form).send().await.unwrap().status(), 200);
        }).await;
        let members = json!({ "sub": sub, "client_id": "erp", "initiating_entity": "user" });
        assert_eq!(ended, (opaque(&id(&by_client)), session_revoked.clone(), members));
        assert_eq!(told.receiver.last()["txn"], "request-4711");
        // A second time there is nothing to end.
        let again = told.of(async |app: &App| {
            app.post("/oauth2/revoke", &[("token", by_client.refresh())]).await;
        }).await;
        assert!(again.is_empty(), "{again:?}");

        let ended = told.one(async |app: &App| {
            let grant_id = Some(id(&by_admin).as_str().unwrap().parse().unwrap());
            app.admin().revoke(&Filter { grant_id, ..Filter::default() }).await.unwrap();
        }).await;
        let by = json!({ "initiating_entity": "admin" });
        assert_eq!(ended, (opaque(&id(&by_admin)), session_revoked.clone(), by.clone()));
        let ended = told.one(async |app: &App| {
            app.admin().revoke_presented(&app.provider, &Secret::new(by_token.refresh())).await.unwrap();
        }).await;
        assert_eq!(ended, (opaque(&id(&by_token)), session_revoked.clone(), by));

        let oldest = [told.app.log_in().await, told.app.log_in().await];
        let mut evicted = told.of(async |app: &App| {
            let change = ClientChange { grant_limit: Some(Choice::Own(1)), ..ClientChange::default() };
            app.admin().update_client("erp", change).await.unwrap();
            app.synchronise().await;
            app.log_in().await;
        }).await;
        let members = json!({ "sub": sub, "client_id": "erp", "initiating_entity": "policy" });
        let mut expected: Vec<_> = oldest
            .iter()
            .map(|tokens| (opaque(&id(tokens)), session_revoked.clone(), members.clone()))
            .collect();
        evicted.sort_by_key(|told| told.0.to_string());
        expected.sort_by_key(|told| told.0.to_string());
        assert_eq!(evicted, expected);
    }

    async fn all_that_a_user_a_client_or_anybody_got(app) {
        let told = Told::new(app).await;
        let sub = told.app.log_in().await.claims()["sub"].clone();
        let named = |username: Option<&str>, client_id: Option<&str>| Filter {
            grant_id: None, username: username.map(str::to_owned), client_id: client_id.map(str::to_owned),
        };
        let ended = told.one(async |app: &App| {
            app.admin().revoke(&named(Some("alice"), Some("erp"))).await.unwrap();
        }).await;
        assert_eq!(ended, (user(&sub), own("tokens-revoked"), json!({ "client_id": "erp" })));
        told.app.log_in().await;
        let ended = told.one(async |app: &App| {
            app.admin().revoke(&named(None, Some("erp"))).await.unwrap();
        }).await;
        assert_eq!((ended.0, ended.1), (opaque(&json!("erp")), own("tokens-revoked")));
        told.app.log_in().await;
        let ended = told.one(async |app: &App| {
            let issued = Issued { username: Some("alice".to_owned()), ..Issued::default() };
            app.admin().revoke_issued(&issued).await.unwrap();
        }).await;
        assert_eq!((ended.0, ended.1), (user(&sub), own("tokens-revoked")));
        let (from, until) = (told.app.clock.now() - chrono::Duration::minutes(1), told.app.clock.now());
        let (subject, uri, members) = told.one(async |app: &App| {
            let issued = Issued { from: Some(from), until: Some(until), ..Issued::default() };
            app.admin().revoke_issued(&issued).await.unwrap();
        }).await;
        assert_eq!((subject, uri), (json!({ "format": "uri", "uri": ISSUER }), own("tokens-revoked")));
        assert_eq!(members, json!({ "from": from, "until": until }));
    }

    async fn what_becomes_of_users(app) {
        let told = Told::new(app).await;
        let sub = json!(told.app.admin().user("alice").await.unwrap().sub);
        let credential_change = format!("{CAEP}/credential-change");
        let by = |entity: &str| {
            json!({ "credential_type": "password", "change_type": "update", "initiating_entity": entity })
        };
        let changed = told.one(async |app: &App| {
            app.admin().set_password("alice", Secret::new(PASSWORD)).await.unwrap();
        }).await;
        assert_eq!(changed, (user(&sub), credential_change.clone(), by("admin")));
        let changed = told.one(async |app: &App| {
            let form = [("username", "alice"), ("password", PASSWORD), ("new_password", NEW_PASSWORD)];
            let answer = app.post_bare("/account/password", &form).await;
            assert!(answer.status < 300, "{}", answer.text);
        }).await;
        assert_eq!(changed, (user(&sub), credential_change, by("user")));
        let risc = "https://schemas.openid.net/secevent/risc/event-type";
        let disabled = told.one(async |app: &App| drop(app.admin().disable_user("alice").await.unwrap())).await;
        assert_eq!(disabled, (user(&sub), format!("{risc}/account-disabled"), json!({})));
        let deleted = told.one(async |app: &App| drop(app.admin().delete_user("alice").await.unwrap())).await;
        assert_eq!(deleted, (user(&sub), format!("{risc}/account-purged"), json!({})));
    }

    async fn what_becomes_of_clients(app) {
        let told = Told::new(app).await;
        let disabled = told.one(async |app: &App| drop(app.admin().disable_client("erp").await.unwrap())).await;
        assert_eq!(disabled, (opaque(&json!("erp")), own("client-disabled"), json!({})));
        let again = told.of(async |app: &App| drop(app.admin().disable_client("erp").await.unwrap())).await;
        assert!(again.is_empty());
        let deleted = told.one(async |app: &App| drop(app.admin().delete_client("erp").await.unwrap())).await;
        assert_eq!(deleted, (opaque(&json!("erp")), own("client-deleted"), json!({})));
    }

    async fn what_becomes_of_keys_and_each_beginning_once(app) {
        // The first key has begun already.
        assert_eq!(app.provider.note_activations().await.unwrap().len(), 1);
        let told = Told::new(app).await;
        let (subject, uri, staged) = told.one(async |app: &App| {
            app.admin().rotate_keys(Some(Algorithm::ES256), Activation::Published).await.unwrap();
        }).await;
        assert_eq!((uri, &staged["alg"]), (own("key-staged"), &json!("ES256")));
        let other = told.app.second_instance().await;
        let began = told.of(async |app: &App| {
            assert!(app.provider.note_activations().await.unwrap().is_empty(), "it does not sign yet");
            app.advance(86_400);
            app.synchronise().await;
            let (one, two) = tokio::join!(app.provider.note_activations(), other.provider.note_activations());
            assert_eq!(one.unwrap().len() + two.unwrap().len(), 1);
            assert!(app.provider.note_activations().await.unwrap().is_empty());
        }).await;
        assert_eq!(began, [(subject.clone(), own("key-activated"), staged)]);
        let actors = told.app.events(|action| action == "key.activate").await;
        assert!(actors.len() == 2 && actors.iter().all(|event| event.actor == "signet"));

        let kid = subject["id"].as_str().unwrap().to_owned();
        let mut ended = told.of(async |app: &App| {
            app.admin().revoke_key(&kid).await.unwrap();
            app.synchronise().await;
        }).await;
        ended.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
        let [(revoked, uri, members), (staged, staged_uri, _)] = &ended[..] else { panic!("{ended:?}") };
        assert_eq!((revoked, uri), (&subject, &own("key-revoked")));
        assert_eq!((staged, staged_uri), (&opaque(&members["successor"]), &own("key-staged")));
        let (successor, uri, _) = told.one(async |app: &App| {
            app.advance(1);
            app.provider.note_activations().await.unwrap();
        }).await;
        assert_eq!((successor, uri), (opaque(&members["successor"]), own("key-activated")));
    }

    async fn a_key_that_the_schedule_makes_is_told_as_well(app) {
        let told = Told::new(app).await;
        let (_, uri, members) = told.one(async |app: &App| {
            app.advance(89 * 86_400);
            app.provider.keys.maintain().await.unwrap();
            app.synchronise().await;
        }).await;
        assert_eq!((uri, &members["alg"]), (own("key-staged"), &json!("ES256")));
        assert_eq!(told.app.newest_event().await.actor, "signet");
    }

    async fn a_login_and_what_an_administrator_does_otherwise_tell_nobody(app) {
        let told = Told::new(app).await;
        let quiet = told.of(async |app: &App| {
            let tokens = app.log_in().await;
            app.refresh(tokens.refresh()).await.tokens();
            app.user("bert").await;
            app.admin().update_client("erp", ClientChange { grant_limit: Some(Choice::Own(5)), ..ClientChange::default() }).await.unwrap();
        }).await;
        assert!(quiet.is_empty(), "{quiet:?}");
        assert!(Kind::ALL.len() == 12, "each kind has a test in this file or in `webhooks`");
    }
}
