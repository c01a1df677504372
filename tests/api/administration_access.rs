//! Who is let into the administration API, and to what: each scope against each operation, and administrators who were
//! disabled a moment ago.

use reqwest::Method;
use serde_json::json;
use signet::admin::bootstrap::audience;
use signet::admin::clients::ClientChange;
use signet::admin::operation::{Access, Body as _, Operation, PathParameter as _, Verb, Visitor};
use signet::admin::operations;
use signet::protocol::client::GrantType;

use crate::on_both;
use crate::support::administration::Administration;
use crate::support::app::{Answer, PASSWORD};

/// One operation, as a client of HTTP sees it.
struct Asked {
    name: &'static str,
    method: Method,
    path: String,
    body: bool,
    access: Access,
}

#[derive(Default)]
struct All(Vec<Asked>);

impl Visitor for All {
    fn visit<O: Operation>(&mut self) {
        let method = match O::VERB {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        // Something that is not there: nothing is done, whoever is let in.
        let name = if O::Path::FORMAT == Some("uuid") { "67e55044-10b1-426f-9247-bb680e5fe0c8" } else { "nothing" };
        let path = match (O::PATH.find('{'), O::PATH.find('}')) {
            (Some(start), Some(end)) => format!("{}{name}{}", &O::PATH[..start], &O::PATH[end + 1..]),
            _ => O::PATH.to_owned(),
        };
        self.0.push(Asked {
            name: O::NAME,
            method,
            path: format!("/admin/v1{path}"),
            body: O::Body::EXPECTED,
            access: O::ACCESS,
        });
    }
}

fn all() -> Vec<Asked> {
    let mut all = All::default();
    operations::each(&mut all);
    all.0
}

impl Asked {
    async fn of(&self, administration: &Administration) -> Answer {
        let request = administration.request(self.method.clone(), &self.path);
        // A member that nothing has: who is let in is told so, and nothing is done.
        let body = json!({ "nothing": true });
        Answer::of(if self.body { request.json(&body) } else { request }).await
    }
}

on_both! {
    async fn each_scope_opens_exactly_the_operations_that_name_it(app) {
        let administration = Administration::of(&app).await;
        let all = all();
        assert!(all.len() > 30);
        for access in Access::ALL {
            let with_scope = administration.with_token(&app.administrator(access.scope()).await);
            for asked in &all {
                let answer = asked.of(&with_scope).await;
                if asked.access == access {
                    assert!(!matches!(answer.status, 401 | 403 | 405) && answer.status < 500, "{}: {}", asked.name, answer.text);
                } else {
                    answer.problem(403, "insufficient_scope");
                    let challenge = format!(r#"scope="{}""#, asked.access.scope());
                    assert!(answer.header("www-authenticate").contains(&challenge), "{}", asked.name);
                }
            }
        }
    }

    async fn without_a_token_there_is_health_and_nothing_else(app) {
        let administration = Administration::of(&app).await;
        let paths = all().into_iter().map(|asked| (asked.method, asked.path));
        let others = ["/admin/v1/openapi.json", "/admin/v1/reference", "/admin/v1", "/", "/oauth2/token", "/metrics"];
        for (method, path) in paths.chain(others.map(|path| (Method::GET, path.to_owned()))) {
            let request = app.http.request(method, format!("{}{path}", administration.base));
            Answer::of(request).await.problem(401, "unauthorized");
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(Answer::of(app.http.get(format!("{}{path}", administration.base))).await.status, 200);
        }
        // And on the listener of clients there is no administration.
        let request = app.http.get(format!("{}/admin/v1/users", app.base)).bearer_auth(&administration.token);
        assert_eq!(Answer::of(request).await.status, 404);
    }

    async fn only_a_token_for_the_administration_api_is_one(app) {
        let administration = Administration::of(&app).await;
        let foreign = app.token_of("erp", &app.secret).await;
        let user = app.log_in().await;
        let mut cut = administration.token.clone();
        cut.pop();
        for token in [&foreign, &user.access_token, user.refresh(), &cut, &administration.client_secret, "", "a b"] {
            let answer = administration.with_token(token).get("/admin/v1/users").await;
            assert!(answer.status == 401, "{token}: {}", answer.text);
        }
        for authorization in [format!("Basic {}", administration.token), format!("Bearer{}", administration.token)] {
            let request = app.http.get(format!("{}/admin/v1/users", administration.base));
            Answer::of(request.header("authorization", authorization)).await.problem(401, "unauthorized");
        }
        let request = app.http.get(format!("{}/admin/v1/users?access_token={}", administration.base, administration.token));
        Answer::of(request).await.problem(401, "unauthorized");
        let twice = administration.request(Method::GET, "/admin/v1/users").header("authorization", "Bearer x");
        Answer::of(twice).await.problem(401, "unauthorized");
        app.advance(601);
        administration.get("/admin/v1/users").await.problem(401, "invalid_token");
    }

    async fn an_administrator_who_is_disabled_is_out_at_once_on_every_instance(app) {
        let administration = Administration::of(&app).await;
        let second = app.second_instance().await;
        let there = administration.at(&second);
        there.get("/admin/v1/users").await.done();
        app.admin().disable_client("signet-admin").await.unwrap();
        for administration in [&administration, &there] {
            administration.get("/admin/v1/users").await.problem(401, "invalid_token");
        }
        app.admin().enable_client("signet-admin").await.unwrap();
        app.synchronise().await;
        administration.get("/admin/v1/users").await.done();
        // A scope that is taken away is gone, whatever the token says.
        let change = ClientChange { scope: Some("admin:write".parse().unwrap()), ..ClientChange::default() };
        app.admin().update_client("signet-admin", change).await.unwrap();
        there.get("/admin/v1/users").await.problem(403, "insufficient_scope");
        let change = ClientChange { audiences: Some(vec![crate::support::app::API.to_owned()]), scope: Some("read".parse().unwrap()), ..ClientChange::default() };
        app.admin().update_client("signet-admin", change).await.unwrap();
        there.get("/admin/v1/openapi.json").await.problem(401, "invalid_token");
    }

    async fn a_user_may_administer_and_is_named_in_the_trail(app) {
        let administration = Administration::of(&app).await;
        let audience = audience(&app.provider.issuer);
        let secret = app.client("desk", &[&audience], &[GrantType::Password], None).await.unwrap();
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let tokens = app.post_as("/oauth2/token", ("desk", &secret), &form).await.tokens();
        let alice = administration.with_token(&tokens.access_token);
        let request = alice.request(Method::POST, "/admin/v1/users").header("x-request-id", "desk-0001");
        let new = json!({ "username": "bob", "password": "gravel 93 teapot orbit" });
        Answer::of(request.json(&new)).await.done();
        let mut events = app.events(|action| action == "user.create").await;
        events.retain(|event| event.target == "user:bob");
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!(event.actor, "user:alice");
        assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(event.request_id.as_deref(), Some("desk-0001"));
        app.admin().disable_user("alice").await.unwrap();
        alice.get("/admin/v1/users").await.problem(401, "invalid_token");
    }

}
