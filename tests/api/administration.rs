//! The conventions of the administration API: versions, pages, names of requests, faults with their places.

use chrono::Duration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::administration::Administration;
use crate::support::app::{API, Answer, App};

const STRONG: &str = "gravel 93 teapot orbit";

fn client(client_id: &str) -> Value {
    json!({ "client_id": client_id, "grant_types": ["client_credentials"], "audiences": [API] })
}

async fn named(administration: &Administration, key: &str, body: &Value) -> Answer {
    let request = administration.request(Method::POST, "/admin/v1/clients").header("idempotency-key", key);
    Answer::of(request.json(body)).await
}

async fn all_pages(administration: &Administration, first: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let answer = administration.get(&path).await;
        items.extend(answer.done()["items"].as_array().unwrap().clone());
        let link = answer.header("link");
        next =
            link.strip_prefix('<').and_then(|link| link.split_once(">; rel=\"next\"")).map(|(path, _)| path.to_owned());
        assert_eq!(next.is_some(), answer.json()["next"].is_string());
    }
    items
}

async fn many_users(app: &App, names: &[&str]) {
    for name in names {
        app.user(name).await;
    }
}

on_both! {
    async fn a_lost_update_is_refused(app) {
        let administration = Administration::of(&app).await;
        let resource_server = format!("/admin/v1/resource-servers/{}", signet::protocol::percent::encode(API));
        for (path, one, other) in [
            ("/admin/v1/clients/erp", json!({ "access_token_lifetime": 60 }), json!({ "access_token_lifetime": 120 })),
            (resource_server.as_str(), json!({ "scope": "read write more" }), json!({ "scope": "read write" })),
            ("/admin/v1/users/alice", json!({ "email": "a@example.com" }), json!({ "email": null })),
            ("/admin/v1/settings", json!({ "retry_window": 10 }), json!({ "retry_window": 20 })),
        ] {
            let seen = administration.get(path).await;
            let tag = seen.header("etag").to_owned();
            assert!(tag.starts_with('"'), "{path}");
            let change = |body: &Value, tag: &str| {
                administration.request(Method::PATCH, path).header("if-match", tag).json(body)
            };
            let first = Answer::of(change(&one, &tag)).await;
            first.done();
            // The second administrator saw what was before.
            Answer::of(change(&other, &tag)).await.problem(412, "changed");
            assert_eq!(administration.get(path).await.header("etag"), first.header("etag"), "{path}");
            Answer::of(change(&other, &format!("W/{}", first.header("etag")))).await.problem(412, "changed");
            let both = format!("{tag}, {}", first.header("etag"));
            Answer::of(change(&other, &both)).await.done();
            Answer::of(change(&one, "*")).await.done();
            Answer::of(change(&one, "no tag")).await.problem(400, "malformed");
        }
    }

    async fn a_login_does_not_change_the_version_of_a_user(app) {
        let administration = Administration::of(&app).await;
        let before = administration.get("/admin/v1/users/alice").await;
        app.log_in().await;
        let after = administration.get("/admin/v1/users/alice").await;
        assert_ne!(before.json()["last_login_at"], after.json()["last_login_at"]);
        assert_eq!(before.header("etag"), after.header("etag"));
    }

    async fn a_named_request_is_carried_out_once(app) {
        let administration = Administration::of(&app).await;
        let first = named(&administration, "create-1", &client("new")).await;
        assert_eq!((first.status, first.header("location")), (201, "/admin/v1/clients/new"));
        let secret = first.json()["client_secret"].as_str().unwrap().to_owned();
        let again = named(&administration, "create-1", &client("new")).await;
        assert_eq!((again.status, &again.text), (201, &first.text), "the secret, too");
        named(&administration, "create-1", &client("other")).await.problem(422, "idempotency_key_reused");
        named(&administration, "create-2", &client("new")).await.problem(409, "exists");
        named(&administration, "", &client("new")).await.problem(400, "malformed");
        // What failed is not kept: it may succeed the next time.
        let wrong = json!({ "client_id": "late", "grant_types": ["client_credentials"], "audiences": ["https://late.example"] });
        named(&administration, "create-3", &wrong).await.problem(409, "refused");
        app.api("https://late.example", "read", signet::protocol::jwk::Algorithm::ES256).await;
        assert_eq!(named(&administration, "create-3", &wrong).await.status, 201);
        // Another administrator's names are others.
        let second = administration.with_token(&app.administrator("admin:write").await);
        named(&second, "create-1", &client("new")).await.problem(409, "exists");
        assert_eq!(app.events(|action| action == "client.create").await.iter().filter(|event| event.target == "client:new").count(), 1);
        // Nothing in the database gives the secret away.
        let dump = crate::support::sql::dump(&app.config.database_url).await;
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let kept: Vec<&String> = dump.iter().filter(|line| line.starts_with("remembered_answers: ")).collect();
        assert!(!kept.is_empty() && kept.iter().all(|line| !line.to_lowercase().contains(&hex)), "{kept:?}");
        app.clock.advance(Duration::hours(25));
        let late = administration.with_token(&app.token_of("signet-admin", &administration.client_secret).await);
        named(&late, "create-1", &client("new")).await.problem(409, "exists");
    }

    async fn of_twenty_requests_with_one_name_one_is_carried_out(app) {
        let administration = Administration::of(&app).await;
        let body = client("raced");
        let answers = futures_util::future::join_all((0..20).map(|_| named(&administration, "race", &body))).await;
        let mut texts: Vec<&str> = answers.iter().map(|answer| { assert_eq!(answer.status, 201, "{}", answer.text); answer.text.as_str() }).collect();
        texts.dedup();
        assert_eq!(texts.len(), 1);
    }

    async fn a_list_comes_in_pages_that_a_link_follows(app) {
        let administration = Administration::of(&app).await;
        many_users(&app, &["Bob", "bert", "carol", "b_x", "bx1", "dora%", "emil"]).await;
        let names = |items: &[Value]| -> Vec<String> {
            items.iter().map(|item| item["username"].as_str().unwrap().to_owned()).collect()
        };
        let whole = names(&all_pages(&administration, "/admin/v1/users").await);
        let paged = names(&all_pages(&administration, "/admin/v1/users?limit=3").await);
        assert_eq!(whole.len(), 8);
        assert_eq!(paged, whole);
        assert_eq!(administration.get("/admin/v1/users?limit=1").await.json()["total"], 8);
        let found = |items: Vec<Value>| { let mut found = names(&items); found.sort(); found };
        assert_eq!(found(all_pages(&administration, "/admin/v1/users?limit=1&username_prefix=B").await), ["Bob", "b_x", "bert", "bx1"]);
        assert_eq!(found(all_pages(&administration, "/admin/v1/users?username_prefix=b_").await), ["b_x"], "no wildcard");
        assert_eq!(found(all_pages(&administration, "/admin/v1/users?username_prefix=dora%25").await), ["dora%"]);
        for _ in 0..4 {
            app.log_in().await;
        }
        assert_eq!(all_pages(&administration, "/admin/v1/grants?limit=3&username=alice").await.len(), 4);
        assert_eq!(all_pages(&administration, "/admin/v1/grants?limit=1&client_id=erp").await.len(), 4);
        for (query, parameter) in [("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"), ("colour=red", "colour"), ("limit=1&limit=2", "limit")] {
            let answer = administration.get(&format!("/admin/v1/users?{query}")).await;
            assert_eq!(answer.status, 400, "{query}");
            let fault = &answer.json()["errors"][0];
            let place = fault["parameter"].as_str().or(fault["pointer"].as_str()).unwrap_or_default().to_owned();
            assert!(place.contains(parameter) || fault["detail"].as_str().unwrap().contains(parameter), "{query}: {fault}");
        }
    }

    async fn a_fault_is_told_with_its_place(app) {
        let administration = Administration::of(&app).await;
        let mut wrong = client("x");
        for (member, value, pointer) in [
            ("grant_types", json!(["password", "implicit"]), "/grant_types/1"),
            ("audiences", json!("https://api.example"), "/audiences"),
            ("access_token_lifetime", json!("1h"), "/access_token_lifetime"),
            ("colour", json!("red"), "/colour"),
            ("allowed_networks", json!(["10.0.0.1/8"]), "/allowed_networks/0"),
        ] {
            let good = wrong.clone();
            wrong[member] = value;
            let problem = administration.post("/admin/v1/clients", &wrong).await.problem(400, "malformed");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
            wrong = good;
        }
        let problem = administration.patch("/admin/v1/settings", &json!({ "retry_window": -1 })).await.problem(400, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/retry_window");
        let weak = json!({ "username": "weak", "password": "password" });
        let problem = administration.post("/admin/v1/users", &weak).await.problem(400, "password");
        assert_eq!(problem["errors"][0]["pointer"], "/password");
        administration.patch("/admin/v1/settings", &json!({ "retry_window": 3600 })).await.problem(409, "refused");
        administration.get("/admin/v1/clients/nobody").await.problem(404, "not_found");
        administration.get("/admin/v1/grants/no-uuid").await.problem(404, "not_found");
        administration.get("/admin/v1/users/a%00b").await.problem(404, "not_found");
        administration.get("/admin/v1/users/%zz").await.problem(404, "not_found");
        administration.delete("/admin/v1/settings").await.problem(405, "method_not_allowed");
        let plain = administration.request(Method::POST, "/admin/v1/users").body("{}");
        Answer::of(plain).await.problem(415, "unsupported_media_type");
        let cut = administration.request(Method::POST, "/admin/v1/users").header("content-type", "application/json");
        Answer::of(cut.body("{\"username\":")).await.problem(400, "malformed");
        let large = administration.request(Method::POST, "/admin/v1/users").header("content-type", "application/json");
        Answer::of(large.body("x".repeat(5 * 1024 * 1024))).await.problem(413, "too_large");
    }

    async fn a_name_that_is_a_uri_is_found_by_its_path(app) {
        let administration = Administration::of(&app).await;
        for audience in ["https://odd.example/a b?c=d&e#f".replace(' ', "+"), "urn:example:100%25".to_owned()] {
            let new = json!({ "audience": audience, "scope": "read" });
            let answer = administration.post("/admin/v1/resource-servers", &new).await;
            if answer.status == 400 {
                // Not every URI may be an audience.
                continue;
            }
            let location = answer.header("location").to_owned();
            assert_eq!(administration.get(&location).await.done()["audience"], audience.as_str());
            administration.delete(&location).await.done();
        }
    }

    async fn settings_hold_on_every_instance_within_two_seconds(app) {
        let administration = Administration::of(&app).await;
        let second = app.second_instance().await;
        administration.patch("/admin/v1/settings", &json!({ "access_token_lifetime": 77 })).await.done();
        for instance in [&app, &second] {
            instance.synchronise().await;
        }
        for app in [&app, &second] {
            let answer = app.token(&[("grant_type", "client_credentials")]).await;
            assert_eq!(answer.json()["expires_in"], 77);
        }
    }

    async fn users_come_in_with_their_hashes(app) {
        let administration = Administration::of(&app).await;
        let users = json!([
            { "line": 1, "username": "old", "password_hash": "$2b$04$abcdefghijklmnopqrstuuKcSCR3r7oTR9aL6MnkYt0x0zFbqzfMe" },
            { "line": 2, "username": "older", "password_hash": "nothing" },
            { "line": 3, "username": "alice", "password_hash": "$2b$04$abcdefghijklmnopqrstuuKcSCR3r7oTR9aL6MnkYt0x0zFbqzfMe" },
        ]);
        let dry = administration.post("/admin/v1/user-imports", &json!({ "users": users, "dry_run": true })).await.done();
        assert_eq!((&dry["imported"], &dry["existing"], &dry["refused"]), (&json!(1), &json!(1), &json!(1)), "{dry}");
        administration.get("/admin/v1/users/old").await.problem(404, "not_found");
        let done = administration.post("/admin/v1/user-imports", &json!({ "users": users })).await.done();
        assert_eq!(done["refused_lines"][0]["line"], 2);
        administration.get("/admin/v1/users/old").await.done();
        let counts = administration.get("/admin/v1/password-hashes").await.done();
        assert!(counts["items"].as_array().unwrap().iter().any(|count| count["scheme"] == "bcrypt"), "{counts}");
    }

    async fn what_an_administrator_does_is_done_at_the_front_door(app) {
        let administration = Administration::of(&app).await;
        let made = administration.post("/admin/v1/clients", &client("robot")).await.done();
        app.synchronise().await;
        let token = app.token_of("robot", made["client_secret"].as_str().unwrap()).await;
        assert!(app.is_active(&token).await);
        let inspected = administration.post("/admin/v1/token-inspections", &json!({ "token": token })).await.done();
        assert_eq!(inspected["active"], true);
        let revoked = administration.post("/admin/v1/token-revocations", &json!({ "token": token })).await.done();
        assert_eq!(revoked["client_tokens_at_most"], 1);
        assert!(!app.is_active(&token).await);
        let tokens = app.log_in().await;
        let grants = administration.get("/admin/v1/grants?username=alice").await.done();
        let id = grants["items"][0]["grant_id"].as_str().unwrap().to_owned();
        assert_eq!(administration.get(&format!("/admin/v1/grants/{id}")).await.done()["username"], "alice");
        let ended = administration.post("/admin/v1/grant-revocations", &json!({ "grant_id": id })).await.done();
        assert_eq!(ended["revoked"], 1);
        app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
        let set = administration.post("/admin/v1/users/alice/password", &json!({ "password": STRONG })).await;
        set.done();
        app.token(&[("grant_type", "password"), ("username", "alice"), ("password", STRONG)]).await.tokens();
        let keys = administration.get("/admin/v1/signing-keys").await.done();
        let kid = keys["items"][0]["kid"].as_str().unwrap().to_owned();
        let rotated = administration.post("/admin/v1/signing-key-rotations", &json!({ "now": true })).await.done();
        assert_ne!(rotated["items"][0]["kid"], kid.as_str());
        let statistics = administration.get("/admin/v1/statistics").await.done();
        assert_eq!((&statistics["users"], &statistics["grants"]), (&json!(1), &json!(1)));
        assert_eq!(administration.get("/admin/v1/jwks").await.done(), app.get("/.well-known/jwks.json").await.json());
        let rotated = administration.post("/admin/v1/clients/robot/secrets", &json!({ "keep_old_for": 60 })).await.done();
        assert!(rotated["client_secret"].as_str().unwrap().starts_with("sgs_") && rotated["client_secrets"].as_array().unwrap().len() == 2);
        administration.delete("/admin/v1/users/alice").await.done();
        administration.get("/admin/v1/users/alice").await.problem(404, "not_found");
    }
}
