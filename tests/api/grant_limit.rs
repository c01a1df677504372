//! How many live grants a user may have at a client: one more login ends the oldest, whoever logs in at the same time.

use signet::admin::clients::ClientChange;
use signet::admin::grants::Filter;
use signet::admin::settings::SettingsChange;
use signet::admin::{Choice, Error};
use signet::protocol::client::GrantType;

use crate::on_both;
use crate::status_lists::is_invalid;
use crate::support::app::{API, App, PASSWORD, Tokens};

async fn limit(app: &App, grants: i64) {
    // They log in faster than people do.
    let change =
        SettingsChange { grant_limit: Some(grants), login_throttling: Some(false), ..SettingsChange::default() };
    app.admin().change_settings(change).await.unwrap();
    app.synchronise().await;
}

/// Logs in so many times, a second apart.
async fn log_in(app: &App, times: usize) -> Vec<Tokens> {
    let mut sessions = Vec::new();
    for _ in 0..times {
        app.advance(1);
        sessions.push(app.log_in().await);
    }
    sessions
}

async fn live(app: &App, client_id: &str) -> usize {
    let filter = Filter { client_id: Some(client_id.to_owned()), ..Filter::default() };
    app.admin().grants(&filter, false, uuid::Uuid::nil(), 1000).await.unwrap().len()
}

on_both! {
    async fn one_login_more_than_the_limit_ends_the_oldest_grant_with_all_its_tokens(app) {
        limit(&app, 3).await;
        let mut sessions = log_in(&app, 3).await;
        assert!(!is_invalid(&app, &sessions[0]).await);
        sessions[0] = app.refresh(sessions[0].refresh()).await.tokens();
        sessions.extend(log_in(&app, 1).await);
        app.synchronise().await;
        let (oldest, others) = sessions.split_first().unwrap();
        app.refresh(oldest.refresh()).await.refused(400, "invalid_grant");
        assert!(!app.is_active(&oldest.access_token).await && is_invalid(&app, oldest).await);
        for session in others {
            assert!(app.is_active(&session.access_token).await && !is_invalid(&app, session).await);
            app.refresh(session.refresh()).await.tokens();
        }
        let event = app.newest_event().await;
        assert_eq!((event.action.as_str(), event.target.as_str()), ("grant.evict", "user:alice"));
        assert_eq!((event.actor.as_str(), event.address.as_deref()), ("client:erp", Some("127.0.0.1")));
        assert_eq!((&event.details.0["grants_revoked"], &event.details.0["grant_limit"]), (&1.into(), &3.into()));
        let all = app.admin().grants(&Filter::default(), true, uuid::Uuid::nil(), 10).await.unwrap();
        assert_eq!(all[0].revoked_reason.as_deref(), Some("evicted"));
    }

    async fn logins_at_the_same_time_never_leave_more_than_the_limit(app) {
        let other = app.second_instance().await;
        limit(&app, 4).await;
        other.synchronise().await;
        log_in(&app, 4).await;
        let logins = (0..24).map(|number| if number % 2 == 0 { app.log_in() } else { other.log_in() });
        futures_util::future::join_all(logins).await;
        assert_eq!(live(&app, "erp").await, 4);
    }

    async fn a_client_with_a_limit_of_its_own_keeps_to_that(app) {
        let own = |choice| ClientChange { grant_limit: Some(choice), ..ClientChange::default() };
        limit(&app, 2).await;
        app.admin().update_client("erp", own(Choice::Own(5))).await.unwrap();
        app.synchronise().await;
        log_in(&app, 6).await;
        assert_eq!(live(&app, "erp").await, 5);
        let done = app.admin().update_client("erp", own(Choice::Default)).await.unwrap();
        assert_eq!(done.view.grant_limit, None);
        app.synchronise().await;
        log_in(&app, 1).await;
        assert_eq!(live(&app, "erp").await, 2, "a lower limit counts from the next login on");
        assert_eq!(app.newest_event().await.details.0["grants_revoked"], 4, "one event for all of them");
    }

    async fn only_live_grants_of_the_same_user_and_client_count(app) {
        limit(&app, 2).await;
        app.user("bob").await;
        let secret = app.client("other", &[API], &[GrantType::Password, GrantType::RefreshToken], None).await.unwrap();
        let login = |username| [("grant_type", "password"), ("username", username), ("password", PASSWORD)];
        let bob = app.token(&login("bob")).await.tokens();
        let elsewhere = app.post_as("/oauth2/token", ("other", &secret), &login("alice")).await.tokens();
        let sessions = log_in(&app, 2).await;
        app.post("/oauth2/revoke", &[("token", sessions[1].refresh())]).await;
        log_in(&app, 1).await;
        for token in [&bob, &elsewhere, &sessions[0]] {
            assert!(app.is_active(&token.access_token).await);
        }
        app.advance(13 * 86_400);
        let kept = log_in(&app, 1).await;
        app.advance(2 * 86_400);
        log_in(&app, 1).await;
        app.refresh(kept[0].refresh()).await.tokens();
        assert_eq!((live(&app, "erp").await, live(&app, "other").await), (2, 0), "what nobody refreshed has ended");
    }

    async fn a_login_never_ends_itself_however_far_its_instance_lags(app) {
        let late = app.second_instance_with_clock_off_by(-30).await;
        limit(&app, 1).await;
        late.synchronise().await;
        let first = app.log_in().await;
        let second = late.log_in().await;
        assert!(!app.is_active(&first.access_token).await && app.is_active(&second.access_token).await);
    }

    async fn a_limit_that_is_not_sensible_is_refused(app) {
        for grants in [0, -1, 10_001] {
            let change = SettingsChange { grant_limit: Some(grants), ..SettingsChange::default() };
            let refused = app.admin().change_settings(change).await;
            assert!(matches!(refused, Err(Error::Invalid { field: "grant_limit", .. })), "{grants}");
            let own = ClientChange { grant_limit: Some(Choice::Own(grants)), ..ClientChange::default() };
            let refused = app.admin().update_client("erp", own).await;
            assert!(matches!(refused, Err(Error::Invalid { field: "grant_limit", .. })), "{grants}");
        }
        limit(&app, 10_000).await;
        assert_eq!(app.admin().settings().await.unwrap().grant_limit, 10_000);
    }
}
