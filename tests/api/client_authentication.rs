//! Client authentication at every endpoint that asks for it.

use reqwest::header::AUTHORIZATION;
use signet::protocol::client::{AuthMethod, GrantType};

use crate::on_both;
use crate::support::app::{API, Answer, App, PASSWORD};

const FORM: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn with_header(app: &App, value: &str, form: &[(&str, &str)]) -> Answer {
    let request = app.http.post(format!("{}/oauth2/token", app.base)).header(AUTHORIZATION, value);
    Answer::of(request.form(form)).await
}

on_both! {
    async fn a_secret_is_taken_by_basic_or_in_the_body(app) {
        app.token(&FORM).await.tokens();
        let form = [FORM[0], ("client_id", "erp"), ("client_secret", &app.secret)];
        app.post_bare("/oauth2/token", &form).await.tokens();
    }

    async fn a_client_registered_for_one_method_is_held_to_it(app) {
        for (client, method) in [("b", AuthMethod::ClientSecretBasic), ("p", AuthMethod::ClientSecretPost)] {
            let secret = app.client(client, &[API], &[GrantType::ClientCredentials], Some(method)).await.unwrap();
            let basic = app.post_as("/oauth2/token", (client, &secret), &FORM).await;
            let form = [FORM[0], ("client_id", client), ("client_secret", &secret)];
            let post = app.post_bare("/oauth2/token", &form).await;
            let (good, bad) = if method == AuthMethod::ClientSecretBasic { (basic, post) } else { (post, basic) };
            good.tokens();
            bad.refused(401, "invalid_client");
        }
    }

    async fn unknown_client_and_wrong_secret_are_answered_alike(app) {
        let unknown = app.post_as("/oauth2/token", ("nobody", &app.secret), &FORM).await;
        let wrong = app.post_as("/oauth2/token", ("erp", "wrong"), &FORM).await;
        unknown.refused(401, "invalid_client");
        wrong.refused(401, "invalid_client");
        assert_eq!(unknown.text, wrong.text);
    }

    async fn two_methods_or_two_names_in_one_request_are_refused(app) {
        let secret = app.secret.clone();
        let both = [FORM[0], ("client_id", "erp"), ("client_secret", &secret)];
        app.token(&both).await.refused(400, "invalid_request");
        app.token(&[FORM[0], ("client_id", "other")]).await.refused(400, "invalid_request");
        app.token(&[FORM[0], ("client_id", "erp")]).await.tokens();
    }

    async fn a_confidential_client_cannot_act_by_its_name_alone(app) {
        for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            let form = [FORM[0], ("client_id", "erp"), ("token", "x")];
            app.post_bare(path, &form).await.refused(401, "invalid_client");
            app.post_as(path, ("erp", ""), &[FORM[0], ("token", "x")]).await.refused(401, "invalid_client");
        }
    }

    async fn no_credentials_or_broken_ones_are_an_invalid_client(app) {
        app.post_bare("/oauth2/token", &FORM).await.refused(401, "invalid_client");
        for header in ["Basic", "Basic !", "Basic bm9jb2xvbg==", "Bearer x", "Digest x", ""] {
            with_header(&app, header, &FORM).await.refused(401, "invalid_client");
        }
    }

    async fn the_scheme_is_matched_without_case(app) {
        use base64::Engine as _;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("erp:{}", app.secret));
        with_header(&app, &format!("bAsIc {credentials}"), &FORM).await.tokens();
    }

    async fn a_public_client_gives_its_name_and_no_secret(app) {
        let grants = [GrantType::Password, GrantType::RefreshToken];
        assert_eq!(app.client("spa", &[API], &grants, Some(AuthMethod::None)).await, None);
        let form =
            [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("client_id", "spa")];
        app.post_bare("/oauth2/token", &form).await.tokens();
        let form = [form[0], form[1], form[2]];
        app.post_as("/oauth2/token", ("spa", ""), &form).await.tokens();
        app.post_as("/oauth2/token", ("spa", "guess"), &form).await.refused(401, "invalid_client");
    }

    async fn a_disabled_client_is_refused_and_its_tokens_are_inactive_until_it_is_enabled(app) {
        let tokens = app.log_in().await;
        app.admin().disable_client("erp").await.unwrap();
        app.synchronise().await;
        app.token(&FORM).await.refused(401, "invalid_client");
        app.refresh(tokens.refresh()).await.refused(401, "invalid_client");
        assert!(!app.is_active(&tokens.access_token).await);
        app.admin().enable_client("erp").await.unwrap();
        app.synchronise().await;
        assert!(app.is_active(&tokens.access_token).await);
        app.refresh(tokens.refresh()).await.tokens();
    }

    async fn a_rotated_secret_leaves_the_old_one_good_for_as_long_as_it_was_told(app) {
        let done = app.admin().rotate_client_secret("erp", Some(24 * 3600)).await.unwrap();
        let new = done.client_secret.unwrap().expose().to_owned();
        app.synchronise().await;
        app.post_as("/oauth2/token", ("erp", &new), &FORM).await.tokens();
        app.token(&FORM).await.tokens();
        app.advance(24 * 3600);
        app.token(&FORM).await.refused(401, "invalid_client");
        app.post_as("/oauth2/token", ("erp", &new), &FORM).await.tokens();
    }

    async fn a_secret_rotated_at_once_ends_the_old_one(app) {
        let done = app.admin().rotate_client_secret("erp", None).await.unwrap();
        let new = done.client_secret.unwrap();
        // Before this instance has heard of the change.
        app.post_as("/oauth2/token", ("erp", new.expose()), &FORM).await.tokens();
        app.synchronise().await;
        app.token(&FORM).await.refused(401, "invalid_client");
        app.post_as("/oauth2/token", ("erp", new.expose()), &FORM).await.tokens();
    }
}
