//! Which verifiers have fetched the key set, and what an administrator is told before a staged key signs.

use signet::admin::verifiers::VerifierView;
use signet::keys::Activation;

use crate::on_both;
use crate::support::app::{API, Answer, App, OTHER_API};

const JWKS: &str = "/.well-known/jwks.json";

fn fetch(app: &App, path: &str, agent: &str) -> reqwest::RequestBuilder {
    app.http.get(format!("{}{path}", app.base)).header("user-agent", agent)
}

async fn fetched(request: reqwest::RequestBuilder) -> Answer {
    let answer = Answer::of(request).await;
    assert!(matches!(answer.status, 200 | 304), "{}", answer.status);
    answer
}

/// Who is known, and what each is identified by.
async fn verifiers(app: &App) -> Vec<(String, String)> {
    app.provider.record_key_set_fetches().await.unwrap();
    let views = app.admin().verifiers().await.unwrap();
    views.into_iter().map(|VerifierView { verifier, identified_by, .. }| (verifier, identified_by)).collect()
}

/// Form-encoded, as Basic credentials of RFC 6749 §2.3.1 are.
const ENCODED_API: &str = "https%3A%2F%2Fapi.example";

on_both! {
    async fn a_verifier_is_known_by_its_credentials_its_hint_or_its_software_and_address(app) {
        fetched(fetch(&app, JWKS, "api/1").basic_auth(ENCODED_API, Some(&app.api_secret))).await;
        fetched(fetch(&app, &format!("{JWKS}?rs={OTHER_API}"), "other/1")).await;
        fetched(fetch(&app, JWKS, "curl/8.5 (x)")).await;
        fetched(fetch(&app, &format!("{JWKS}?rs=https://unknown.example&rs=b&%"), "curl/8.5 (x)")).await;
        let wrong = fetch(&app, JWKS, "liar/1").basic_auth(ENCODED_API, Some("wrong"));
        assert_eq!(fetched(wrong).await.status, 200, "the key set is for everybody");
        fetched(fetch(&app, &format!("{JWKS}?rs=https://unknown.example"), "hinter/1")).await;
        let head = app.http.head(format!("{}{JWKS}", app.base)).header("user-agent", "head/1");
        fetched(head).await;
        let agent = |name: &str| (format!("{name} 127.0.0.1"), "agent");
        let expected = [
            agent("curl/8.5(x)"),
            agent("hinter/1"),
            agent("liar/1"),
            (OTHER_API.to_owned(), "hint"),
            (API.to_owned(), "credentials"),
        ];
        let known = verifiers(&app).await;
        let known: Vec<(String, &str)> = known.iter().map(|(name, by)| (name.clone(), by.as_str())).collect();
        assert_eq!(known, expected);
    }

    async fn a_staged_key_is_unknown_to_those_that_have_not_fetched_since(app) {
        let unknown_to = async || {
            app.provider.record_key_set_fetches().await.unwrap();
            let keys = app.admin().signing_keys().await.unwrap();
            let staged = keys.view.into_iter().find(|key| key.state == "published").unwrap();
            (staged.unknown_to.into_iter().map(|view| view.verifier).collect::<Vec<_>>(), keys.notes.join("; "))
        };
        let first = fetched(fetch(&app, JWKS, "a/1")).await;
        fetched(fetch(&app, JWKS, "b/1")).await;
        app.advance(10);
        let staged = app.admin().rotate_keys(None, Activation::Published).await.unwrap().view.remove(0);
        app.synchronise().await;
        let (unknown, notes) = unknown_to().await;
        assert_eq!(unknown, ["a/1 127.0.0.1", "b/1 127.0.0.1"]);
        assert!(notes.contains("2 of 2 verifiers have not fetched") && notes.contains("last at 2026-01-05T12:00:00Z"));

        app.advance(10);
        let again = fetched(fetch(&app, JWKS, "a/1").header("if-none-match", first.header("etag"))).await;
        fetched(fetch(&app, JWKS, "a/1").header("if-none-match", again.header("etag"))).await;
        let (unknown, notes) = unknown_to().await;
        assert_eq!(unknown, ["b/1 127.0.0.1"]);
        assert!(notes.contains("1 of 2 verifiers") && !notes.contains("a/1"), "{notes}");

        let before = app.clock.now();
        app.advance(86_400);
        let warned = app.provider.warn_of_activations(before, app.clock.now()).await.unwrap();
        assert_eq!(warned, [(staged.kid, 1)], "said once, when it begins to sign");
        assert_eq!(app.provider.warn_of_activations(app.clock.now(), app.clock.now()).await.unwrap(), []);
    }

    async fn an_older_fetch_that_is_written_late_does_not_hide_a_newer_one(app) {
        let other = app.second_instance().await;
        fetched(fetch(&app, JWKS, "a/1")).await;
        app.advance(5);
        fetched(fetch(&other, JWKS, "a/1")).await;
        other.provider.record_key_set_fetches().await.unwrap();
        app.provider.record_key_set_fetches().await.unwrap();
        let views = app.admin().verifiers().await.unwrap();
        assert_eq!((views.len(), views[0].last_fetched_at), (1, app.clock.now()));
    }

    async fn fetches_cost_no_write_and_one_batch_is_written_for_all(app) {
        let before = app.provider.store.checkouts();
        for number in 0..100 {
            fetched(fetch(&app, JWKS, &format!("a/{number}"))).await;
        }
        assert_eq!(app.provider.store.checkouts(), before);
        app.provider.record_key_set_fetches().await.unwrap();
        assert_eq!(app.provider.store.checkouts(), before + 1);
        app.provider.record_key_set_fetches().await.unwrap();
        assert_eq!(app.provider.store.checkouts(), before + 1, "nothing new");
        assert_eq!(verifiers(&app).await.len(), 100);
    }

    async fn who_fetches_no_more_is_forgotten_after_thirty_days(app) {
        fetched(fetch(&app, JWKS, "gone/1")).await;
        assert_eq!(verifiers(&app).await.len(), 1);
        app.advance(30 * 86_400 + 1);
        fetched(fetch(&app, JWKS, "new/1")).await;
        assert_eq!(verifiers(&app).await, [("new/1 127.0.0.1".to_owned(), "agent".to_owned())]);
        let mut connection = app.provider.store.reading().await.unwrap();
        let rows = signet::store::key_set_fetches::since(&mut connection, chrono::DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(rows.len(), 1);
    }
}
