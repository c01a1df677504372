//! The change feed of a status list: what a verifier learns without fetching the list again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::on_both;
use crate::support::app::{App, Backend, Tokens};

/// A listener, and what has come that is not an event yet.
struct Listener {
    response: reqwest::Response,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    id: Option<i64>,
    kind: String,
    data: Value,
}

async fn listen(app: &App, last_event_id: Option<&str>) -> Listener {
    let mut request = app.http.get(format!("{}/status-lists/1/changes", app.base));
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    Listener { response, text: String::new() }
}

impl Listener {
    async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    return event;
                }
                let chunk = self.response.chunk().await.unwrap().expect("the feed goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        });
        let event = event.await.expect("an event comes");
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Event {
            id: field("id").map(|id| id.parse().unwrap()),
            kind: field("event").unwrap().to_owned(),
            data: serde_json::from_str(field("data").unwrap()).unwrap(),
        }
    }

    /// What is revoked by the next event, from which can be gone on.
    async fn revoked(&mut self) -> (i64, Vec<(i64, i64)>) {
        let (id, revoked) = self.told().await;
        (id.unwrap(), revoked)
    }

    async fn told(&mut self) -> (Option<i64>, Vec<(i64, i64)>) {
        let event = self.next().await;
        assert_eq!(event.kind, "revoked", "{event:?}");
        (event.id, serde_json::from_value(event.data["revoked"].clone()).unwrap())
    }
}

fn index(tokens: &Tokens) -> i64 {
    tokens.claims()["status"]["status_list"]["idx"].as_i64().unwrap()
}

async fn revoke(app: &App, tokens: &Tokens) {
    assert_eq!(app.post("/oauth2/revoke", &[("token", tokens.refresh())]).await.status, 200);
}

on_both! {
    async fn a_listener_is_told_what_is_revoked_with_an_id_to_go_on_from(app) {
        let (one, two) = (app.log_in().await, app.log_in().await);
        app.advance(5);
        let mut listener = listen(&app, None).await;
        let header = |name: &str| listener.response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("content-type"), header("cache-control")), ("text/event-stream".into(), "no-store".into()));
        assert_eq!(header("access-control-allow-origin"), "*");
        let beginning = listener.next().await;
        assert_eq!((beginning.kind.as_str(), &beginning.data), ("reset", &json!({})), "the list is fetched once");

        revoke(&app, &one).await;
        app.synchronise().await;
        let (first, revoked) = listener.revoked().await;
        assert_eq!(revoked, [(index(&one), index(&one))]);
        assert!(first > beginning.id.unwrap());
        revoke(&app, &two).await;
        app.synchronise().await;
        let (second, revoked) = listener.revoked().await;
        assert_eq!(revoked, [(index(&two), index(&two))]);
        assert!(second > first);
    }

    async fn who_begins_to_listen_is_told_what_the_list_may_be_too_old_for(app) {
        let (one, two) = (app.log_in().await, app.log_in().await);
        app.synchronise().await;
        app.advance(5);
        let made = app.get("/status-lists/1").await.text;
        revoke(&app, &one).await;
        app.synchronise().await;
        let mut listener = listen(&app, None).await;
        let (beginning, list) = (listener.next().await, app.get("/status-lists/1").await.text);
        assert_eq!(beginning.kind, "reset");
        assert_eq!(list, made, "a list is not made anew so soon, and what was revoked is not in this one");
        assert_eq!(listener.revoked().await, (beginning.id.unwrap(), vec![(index(&one), index(&one))]));
        revoke(&app, &two).await;
        app.synchronise().await;
        assert_eq!(listener.revoked().await.1, [(index(&two), index(&two))]);

        app.advance(5);
        let mut listener = listen(&app, None).await;
        assert_eq!(listener.next().await.kind, "reset");
        assert_ne!(app.get("/status-lists/1").await.text, made, "by now they are in it");
        let three = app.log_in().await;
        revoke(&app, &three).await;
        app.synchronise().await;
        assert_eq!(listener.revoked().await.1, [(index(&three), index(&three))], "and are not told");
    }

    async fn who_may_lack_something_is_given_no_id_until_it_has_fetched_the_list_again(app) {
        let (one, two) = (app.log_in().await, app.log_in().await);
        app.synchronise().await;
        // It has just started: of what was revoked a moment before it knows no time.
        let young = app.second_instance().await;
        revoke(&app, &one).await;
        young.synchronise().await;
        let mut listener = listen(&young, None).await;
        let beginning = listener.next().await;
        assert_eq!((beginning.kind.as_str(), beginning.id), ("reset", None));
        assert_eq!(listener.told().await, (None, vec![(index(&one), index(&one))]));
        let told = Instant::now();
        revoke(&app, &two).await;
        young.synchronise().await;
        assert_eq!(listener.told().await, (None, vec![(index(&two), index(&two))]));
        // An instance that has had no news of its database for two seconds tells nothing.
        tokio::time::sleep(Duration::from_secs(4)).await;
        young.synchronise().await;
        assert_eq!((listener.next().await.kind.as_str(), told.elapsed() >= Duration::from_secs(4)), ("reset", true));
        let three = app.log_in().await;
        revoke(&app, &three).await;
        young.synchronise().await;
        let (id, revoked) = listener.revoked().await;
        assert_eq!(revoked, [(index(&three), index(&three))]);
        let (now, missed) = listen(&young, Some(&id.to_string())).await.revoked().await;
        assert_eq!((now, missed), (id, vec![]), "it can be gone on from");
    }

    async fn who_comes_back_is_told_what_it_missed_by_any_instance(app) {
        let (one, two) = (app.log_in().await, app.log_in().await);
        app.advance(5);
        let known = listen(&app, None).await.next().await.id.unwrap();
        revoke(&app, &one).await;
        app.synchronise().await;
        let other = app.second_instance().await;
        for instance in [&app, &other] {
            let (now, missed) = listen(instance, Some(&known.to_string())).await.revoked().await;
            assert_eq!(missed, [(index(&one), index(&one))]);
            assert_eq!(listen(instance, Some(&now.to_string())).await.revoked().await, (now, vec![]), "nothing is missed");
        }
        // Revoked elsewhere, and told here before this instance has looked.
        revoke(&app, &two).await;
        let (_, missed) = listen(&other, Some(&known.to_string())).await.revoked().await;
        assert_eq!(missed, [(index(&one), index(&one)), (index(&two), index(&two))]);
    }

    async fn an_id_that_cannot_be_gone_on_from_begins_anew(app) {
        app.log_in().await;
        for id in ["", "tomorrow", "-1", "99999999999", "99999999999999999999999", "1.5"] {
            let beginning = listen(&app, Some(id)).await.next().await;
            assert_eq!(beginning.kind, "reset", "{id}");
        }
    }

    async fn a_client_of_many_tokens_is_one_range(app) {
        for _ in 0..5 {
            app.token(&[("grant_type", "client_credentials")]).await.tokens();
        }
        app.advance(5);
        let mut listener = listen(&app, None).await;
        listener.next().await;
        app.admin().delete_client("erp").await.unwrap();
        app.synchronise().await;
        let (_, revoked) = listener.revoked().await;
        assert_eq!(revoked.len(), 1, "{revoked:?}");
        assert_eq!(revoked[0].1 - revoked[0].0, 63);
    }

    async fn a_list_that_is_not_there_has_no_feed(app) {
        for id in ["2", "0", "-1", "all"] {
            assert_eq!(app.get(&format!("/status-lists/{id}/changes")).await.status, 404, "{id}");
        }
        let url = format!("{}/status-lists/1/changes", app.base);
        app.log_in().await;
        assert_eq!(app.http.post(&url).send().await.unwrap().status(), 405);
        let head = app.http.head(&url).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    }

    async fn who_cannot_keep_up_is_told_to_fetch_the_list(app) {
        let tokens = app.log_in().await;
        app.advance(5);
        let known = listen(&app, None).await.next().await.id.unwrap();
        revoke(&app, &tokens).await;
        let id = if app.backend() == Backend::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        app.sql(&format!(
            "INSERT INTO revocations (id, status_list_id, first_index, last_index, revoked_at, expires_at, revision)
             WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 1000)
             SELECT {id}, status_list_id, 1000 + number * 2, 1000 + number * 2, revoked_at, expires_at, revision
             FROM revocations, numbers"
        ))
        .await;
        assert_eq!(listen(&app, Some(&known.to_string())).await.next().await.kind, "reset");
        app.sql("DELETE FROM revocations WHERE first_index = 1002").await;
        let (_, missed) = listen(&app, Some(&known.to_string())).await.revoked().await;
        assert_eq!(missed.len(), 1000);

        // The same for those who listen when very much is revoked at once.
        let other = app.second_instance().await;
        other.advance(5);
        let mut listener = listen(&other, None).await;
        listener.next().await;
        app.sql("UPDATE revisions SET revision = revision + 1 WHERE topic = 'revocations'").await;
        app.sql(
            "UPDATE revocations SET first_index = first_index + 1, last_index = last_index + 1,
                revision = (SELECT revision FROM revisions WHERE topic = 'revocations')",
        )
        .await;
        let one_more = "SELECT status_list_id, 9001, 9001, revoked_at, expires_at, revision FROM revocations LIMIT 1";
        app.sql(&format!(
            "INSERT INTO revocations (id, status_list_id, first_index, last_index, revoked_at, expires_at, revision)
             SELECT {id}, one.* FROM ({one_more}) one"
        ))
        .await;
        other.synchronise().await;
        let told = Instant::now();
        assert_eq!(listener.next().await.kind, "reset");
        // The list that was fetched then may have been made before, and each that is fetched now was made after it.
        tokio::time::sleep(Duration::from_secs(4)).await;
        other.synchronise().await;
        assert_eq!(listener.next().await.kind, "reset");
        assert!(told.elapsed() >= Duration::from_secs(4), "{:?}", told.elapsed());
    }
}
