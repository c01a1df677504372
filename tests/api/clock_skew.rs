//! Two instances whose clocks are five minutes apart: what is over stays over, and nothing lives longer than by the skew.

use crate::on_both;
use crate::support::app::{App, Variant};

const SKEW: i64 = 300;

/// An instance whose clock is ahead, and one whose clock is behind.
async fn ahead_and_behind(app: &App) -> [App; 2] {
    // An issuer made this minute has no key that signs by a clock behind.
    app.advance(3600);
    let ahead = app.variant(Variant { skew: SKEW, seed: 4, ..Variant::default() }).await;
    let behind = app.variant(Variant { skew: -SKEW, seed: 5, ..Variant::default() }).await;
    [ahead, behind]
}

on_both! {
    async fn what_is_revoked_is_revoked_by_every_clock(app) {
        let instances = ahead_and_behind(&app).await;
        for revoking in &instances {
            let (users, own) = (app.log_in().await, app.token(&[("grant_type", "client_credentials")]).await.tokens());
            for token in [users.refresh(), &own.access_token] {
                assert_eq!(revoking.post("/oauth2/revoke", &[("token", token)]).await.status, 200);
            }
            for instance in instances.iter().chain([&app]) {
                assert!(!instance.is_active(&users.access_token).await);
                assert!(!instance.is_active(&own.access_token).await);
                instance.refresh(users.refresh()).await.refused(400, "invalid_grant");
            }
        }
    }

    async fn a_token_is_over_by_the_clock_of_whoever_is_asked(app) {
        let [ahead, behind] = ahead_and_behind(&app).await;
        let token = app.log_in().await.access_token;
        app.advance(600);
        ahead.advance(600);
        assert!(!app.is_active(&token).await && !ahead.is_active(&token).await);
        behind.advance(600 + SKEW - 1);
        assert!(behind.is_active(&token).await, "by the skew longer");
        behind.advance(1);
        assert!(!behind.is_active(&token).await, "and no second more");
    }

    async fn a_grant_that_was_ended_by_a_replay_is_ended_by_every_clock(app) {
        for instance in ahead_and_behind(&app).await {
            let first = app.log_in().await;
            let second = app.refresh(first.refresh()).await.tokens();
            let third = instance.refresh(second.refresh()).await.tokens();
            // Two generations back: no clock makes it a retry.
            app.refresh(first.refresh()).await.refused(400, "invalid_grant");
            instance.refresh(third.refresh()).await.refused(400, "invalid_grant");
            assert!(!instance.is_active(&third.access_token).await);
        }
    }

    async fn a_refresh_on_a_clock_ahead_or_behind_does_not_extend_the_absolute_lifetime(app) {
        let [ahead, behind] = ahead_and_behind(&app).await;
        let mut tokens = app.log_in().await;
        let (day, instances) = (86_400, [&app, &ahead, &behind]);
        for round in 0..9 {
            instances.iter().for_each(|instance| instance.advance(10 * day - 1));
            if round < 8 {
                tokens = instances[round % 3].refresh(tokens.refresh()).await.tokens();
            }
        }
        // Nine seconds are left by the clock that made it.
        app.refresh(tokens.refresh()).await.tokens();
        app.advance(10);
        app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
        ahead.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
    }
}
