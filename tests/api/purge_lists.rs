//! When a status list is retired, and what stays of it.

use signet::oauth::purge::Purged;
use signet::status::LEASE_LIFETIME;

use crate::on_both;
use crate::purge::{DAY, KEY_RETENTION, MINUTE, own_token, purge};
use crate::status_lists::is_invalid;
use crate::support::app::{App, ISSUER};

/// The next index is from a new list.
async fn close_list(app: &App) {
    app.sql("UPDATE status_lists SET size = allocated").await;
    app.advance(LEASE_LIFETIME.num_seconds());
}

/// The published lists, and the status of the first of them.
async fn lists(app: &App) -> (Vec<String>, u16) {
    let document = app.get("/status-lists").await.json();
    let all = document["status_lists"].as_array().unwrap();
    let number =
        |address: &serde_json::Value| address.as_str().unwrap().replace(&format!("{ISSUER}/status-lists/"), "");
    (all.iter().map(number).collect(), app.get("/status-lists/1").await.status)
}

on_both! {
    async fn a_list_goes_when_it_is_closed_and_nothing_refers_to_it(app) {
        let other = app.second_instance().await;
        let session = app.log_in().await;
        close_list(&app).await;
        own_token(&app).await;
        assert_eq!(lists(&other).await, (vec!["1".to_owned(), "2".to_owned()], 200));
        app.advance(10 * DAY);
        let session = app.refresh(session.refresh()).await.tokens();
        assert_eq!(purge(&app).await.status_lists, 0, "a grant has its index there");
        app.advance(3 * DAY);
        app.admin().delete_user("alice").await.unwrap();
        app.synchronise().await;
        other.synchronise().await;
        assert!(is_invalid(&app, &session).await);
        app.advance(KEY_RETENTION + MINUTE - 1);
        let removed = purge(&app).await;
        assert_eq!((removed.status_leases, removed.status_lists), (1, 0), "a revocation is there");
        assert!(is_invalid(&app, &session).await && is_invalid(&other, &session).await);
        app.advance(1);
        assert_eq!(purge(&app).await.status_lists, 1);
        for instance in [&app, &other] {
            instance.synchronise().await;
            assert_eq!(lists(instance).await, (vec!["2".to_owned()], 404));
        }
    }

    async fn a_list_stays_while_a_block_of_it_may_have_live_tokens(app) {
        own_token(&app).await;
        app.sql("UPDATE status_lists SET size = allocated").await;
        app.advance(LEASE_LIFETIME.num_seconds() - 1);
        let last = own_token(&app).await;
        assert!(!is_invalid(&app, &last).await);
        app.log_in().await;
        assert_eq!(lists(&app).await.0, ["1", "2"]);
        app.advance(KEY_RETENTION + MINUTE);
        assert_eq!(purge(&app).await.status_lists, 0);
        app.advance(1);
        assert_eq!(purge(&app).await.status_lists, 1);
    }

    async fn a_list_stays_for_a_grant_even_if_its_block_is_gone(app) {
        app.log_in().await;
        close_list(&app).await;
        own_token(&app).await;
        app.sql("DELETE FROM status_leases").await;
        assert_eq!(Purged { login_throttles: 0, ..purge(&app).await }, Purged::default());
        assert_eq!(lists(&app).await.0, ["1", "2"]);
    }

    async fn the_newest_list_stays_and_no_list_number_is_given_twice(app) {
        own_token(&app).await;
        app.advance(400 * DAY);
        app.provider.keys.maintain().await.unwrap();
        app.synchronise().await;
        let removed = purge(&app).await;
        assert_eq!((removed.status_leases, removed.status_lists, lists(&app).await), (1, 0, (vec!["1".to_owned()], 200)));
        close_list(&app).await;
        own_token(&app).await;
        assert_eq!(purge(&app).await.status_lists, 1);
        app.synchronise().await;
        assert_eq!(lists(&app).await, (vec!["2".to_owned()], 404));
        close_list(&app).await;
        own_token(&app).await;
        assert_eq!(lists(&app).await.0, ["2", "3"]);
    }
}
