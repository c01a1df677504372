//! A user's own change of password.

use crate::on_both;
use crate::support::app::{Answer, App, PASSWORD, Tokens};

const NEW: &str = "pewter ladder 12 harbour";

async fn change(app: &App, username: &str, password: &str, new: &str) -> Answer {
    let form = [("username", username), ("password", password), ("new_password", new)];
    app.post_bare("/account/password", &form).await
}

async fn log_in_with(app: &App, password: &str) -> Answer {
    app.token(&[("grant_type", "password"), ("username", "alice"), ("password", password)]).await
}

on_both! {
    async fn a_new_password_takes_the_place_of_the_old_and_ends_every_session(app) {
        let before: Vec<Tokens> = vec![app.log_in().await, app.log_in().await];
        let answer = change(&app, "Alice", PASSWORD, NEW).await;
        assert_eq!((answer.status, answer.text.as_str(), answer.header("cache-control")), (204, "", "no-store"));
        for tokens in &before {
            assert!(!app.is_active(&tokens.access_token).await);
            app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
        }
        log_in_with(&app, PASSWORD).await.refused(400, "invalid_grant");
        log_in_with(&app, NEW).await.tokens();
    }

    async fn the_change_is_recorded_without_either_password(app) {
        app.log_in().await;
        change(&app, "alice", PASSWORD, NEW).await;
        let event = app.events(|action| action == "user.change_password").await.remove(0);
        assert_eq!(event.target, "user:alice");
        assert_eq!(event.details.0["grants_revoked"], 1);
        assert!(event.address.is_some() && event.request_id.is_some());
    }

    async fn nobody_changes_it_without_the_old_one(app) {
        let session = app.log_in().await;
        let refusals = [
            change(&app, "alice", "not the password at all", NEW).await,
            change(&app, "nobody", PASSWORD, NEW).await,
        ];
        for refusal in &refusals {
            refusal.refused(400, "invalid_grant");
            assert_eq!(refusal.text, refusals[0].text);
        }
        app.admin().disable_user("alice").await.unwrap();
        assert_eq!(change(&app, "alice", PASSWORD, NEW).await.text, refusals[0].text);
        app.admin().enable_user("alice").await.unwrap();
        log_in_with(&app, PASSWORD).await.tokens();
        app.refresh(session.refresh()).await.refused(400, "invalid_grant");
    }

    async fn what_is_guessed_first_is_refused_in_one_general_text_and_changes_nothing(app) {
        let session = app.log_in().await;
        let mut texts = std::collections::BTreeSet::new();
        for new in ["short", "passwordpassword", "abcdefghijklmnopqr", "alice alice alice", &"x".repeat(2000)] {
            let refusal = change(&app, "alice", PASSWORD, new).await;
            refusal.refused(400, "invalid_request");
            texts.insert(refusal.text);
        }
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts.first().unwrap().contains("at least 15 characters"));
        app.refresh(session.refresh()).await.tokens();
        log_in_with(&app, PASSWORD).await.tokens();
    }

    async fn a_form_that_lacks_something_is_refused(app) {
        for missing in ["username", "password", "new_password"] {
            let all = [("username", "alice"), ("password", PASSWORD), ("new_password", NEW)];
            let form: Vec<_> = all.into_iter().filter(|(name, _)| *name != missing).collect();
            app.post_bare("/account/password", &form).await.refused(400, "invalid_request");
        }
        assert_eq!(app.get("/account/password").await.status, 405);
    }

    async fn guesses_are_counted_with_those_of_logins(app) {
        for _ in 0..10 {
            change(&app, "alice", "not the password at all", NEW).await.refused(400, "invalid_grant");
        }
        let braked = [change(&app, "alice", PASSWORD, NEW).await, log_in_with(&app, PASSWORD).await];
        for answer in braked {
            assert_eq!(answer.status, 429, "{}", answer.text);
            assert_ne!(answer.header("retry-after"), "");
        }
        app.advance(1000);
        assert_eq!(change(&app, "alice", PASSWORD, NEW).await.status, 204);
    }

    async fn two_changes_at_once_leave_one_password(app) {
        let (one, two) = tokio::join!(
            change(&app, "alice", PASSWORD, NEW),
            change(&app, "alice", PASSWORD, "copper meadow 88 violin"),
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 400], "the second finds another password");
    }
}
