//! Token revocation by the client.

use signet::protocol::client::GrantType;

use crate::on_both;
use crate::support::app::API;

on_both! {
    async fn a_refresh_token_takes_its_grant_along(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        let answer = app.post("/oauth2/revoke", &[("token", second.refresh())]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!app.is_active(&first.access_token).await);
        assert!(!app.is_active(&second.access_token).await);
        app.refresh(second.refresh()).await.refused(400, "invalid_grant");
    }

    async fn an_access_token_of_a_user_takes_its_grant_along(app) {
        let tokens = app.log_in().await;
        let untouched = app.log_in().await;
        app.post("/oauth2/revoke", &[("token", &tokens.access_token)]).await;
        assert!(!app.is_active(&tokens.access_token).await);
        app.refresh(tokens.refresh()).await.refused(400, "invalid_grant");
        assert!(app.is_active(&untouched.access_token).await);
    }

    async fn a_clients_own_token_goes_alone(app) {
        let form = [("grant_type", "client_credentials")];
        let (one, two) = (app.token(&form).await.tokens(), app.token(&form).await.tokens());
        app.post("/oauth2/revoke", &[("token", &one.access_token)]).await;
        assert!(!app.is_active(&one.access_token).await);
        assert!(app.is_active(&two.access_token).await);
    }

    async fn what_is_revoked_on_one_instance_is_inactive_on_another(app) {
        let other = app.second_instance().await;
        let (user, client) = (app.log_in().await, app.token(&[("grant_type", "client_credentials")]).await.tokens());
        for token in [&user.access_token, &client.access_token] {
            assert!(other.is_active(token).await);
            app.post("/oauth2/revoke", &[("token", token)]).await;
            assert!(!other.is_active(token).await);
        }
        other.refresh(user.refresh()).await.refused(400, "invalid_grant");
    }

    async fn unknown_foreign_and_repeated_tokens_are_no_error(app) {
        let tokens = app.log_in().await;
        let secret = app.client("other", &[API], &[GrantType::ClientCredentials], None).await.unwrap();
        for token in ["x", "sgr_x", tokens.refresh(), &tokens.access_token] {
            let answer = app.post_as("/oauth2/revoke", ("other", &secret), &[("token", token)]).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
        }
        assert!(app.is_active(&tokens.access_token).await, "another client's token is left alone");
        for _ in 0..2 {
            let form = [("token", tokens.refresh()), ("token_type_hint", "access_token")];
            assert_eq!(app.post("/oauth2/revoke", &form).await.status, 200);
        }
        assert!(!app.is_active(&tokens.access_token).await);
    }

    async fn an_old_refresh_token_revokes_too(app) {
        let first = app.log_in().await;
        let second = app.refresh(first.refresh()).await.tokens();
        app.post("/oauth2/revoke", &[("token", first.refresh())]).await;
        app.refresh(second.refresh()).await.refused(400, "invalid_grant");
    }

    async fn a_client_must_prove_who_it_is(app) {
        let tokens = app.log_in().await;
        let form = [("token", tokens.refresh())];
        app.post_bare("/oauth2/revoke", &form).await.refused(401, "invalid_client");
        app.post_as("/oauth2/revoke", ("erp", "wrong"), &form).await.refused(401, "invalid_client");
        app.post("/oauth2/revoke", &[]).await.refused(400, "invalid_request");
        app.refresh(tokens.refresh()).await.tokens();
    }
}
