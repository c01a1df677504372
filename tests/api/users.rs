//! What a change of a user means for the user's grants.

use signet::secret::Secret;

use crate::on_both;
use crate::support::app::{App, PASSWORD, Tokens};

async fn ended(app: &App, tokens: &Tokens) {
    app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
    assert!(!app.is_active(&tokens.access_token).await);
}

async fn log_in_with(app: &App, password: &str) -> crate::support::app::Answer {
    app.token(&[("grant_type", "password"), ("username", "alice"), ("password", password)]).await
}

on_both! {
    async fn a_new_password_ends_every_grant_of_the_user(app) {
        let (first, second) = (app.log_in().await, app.log_in().await);
        let new = "a wholly other pass phrase 9";
        app.admin().set_password("alice", Secret::new(new)).await.unwrap();
        ended(&app, &first).await;
        ended(&app, &second).await;
        log_in_with(&app, PASSWORD).await.refused(400, "invalid_grant");
        log_in_with(&app, new).await.tokens();
    }

    async fn disabling_a_user_ends_every_grant_and_enabling_gives_none_back(app) {
        let tokens = app.log_in().await;
        app.admin().disable_user("alice").await.unwrap();
        ended(&app, &tokens).await;
        log_in_with(&app, PASSWORD).await.refused(400, "invalid_grant");
        app.admin().enable_user("alice").await.unwrap();
        ended(&app, &tokens).await;
        log_in_with(&app, PASSWORD).await.tokens();
    }

    async fn deleting_a_user_ends_every_grant_and_a_namesake_gets_nothing_of_it(app) {
        let tokens = app.log_in().await;
        app.admin().delete_user("alice").await.unwrap();
        ended(&app, &tokens).await;
        app.user("alice").await;
        let namesake = app.log_in().await;
        assert_ne!(namesake.claims()["sub"], tokens.claims()["sub"]);
        ended(&app, &tokens).await;
    }

    async fn another_users_grants_are_left_alone(app) {
        app.user("bob").await;
        let form = [("grant_type", "password"), ("username", "bob"), ("password", PASSWORD)];
        let bobs = app.token(&form).await.tokens();
        app.admin().disable_user("alice").await.unwrap();
        assert!(app.is_active(&bobs.access_token).await);
        app.refresh(bobs.refresh()).await.tokens();
    }

    async fn a_login_that_races_with_a_password_change_keeps_no_grant_of_the_old_one(app) {
        for round in 0..5 {
            let old = if round == 0 { PASSWORD.to_owned() } else { format!("a changing pass phrase {round}") };
            let new = format!("a changing pass phrase {}", round + 1);
            let logins = futures_util::future::join_all((0..6).map(|_| log_in_with(&app, &old)));
            let admin = app.admin();
            let (answers, changed) = tokio::join!(logins, admin.set_password("alice", Secret::new(new)));
            changed.unwrap();
            for answer in answers.iter().filter(|answer| answer.status == 200) {
                ended(&app, &answer.tokens()).await;
            }
        }
    }

    async fn a_weak_password_is_refused_with_the_reason(app) {
        for weak in ["short", "passwordpassword", "alicealicealice"] {
            let refused = app.admin().set_password("alice", Secret::new(weak)).await.unwrap_err().to_string();
            assert!(refused.starts_with("the password"), "{refused}");
        }
    }
}
