//! What introspection and revocation ask of a request, as the token endpoint does; and what a refused client costs.

use reqwest::header::CONTENT_TYPE;

use crate::on_both;
use crate::support::app::{Answer, App};

const ENDPOINTS: [&str; 3] = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];

async fn send(app: &App, path: &str, content_type: &str, body: String) -> Answer {
    let request = app.http.post(format!("{}{path}", app.base)).basic_auth("erp", Some(&app.secret));
    Answer::of(request.header(CONTENT_TYPE, content_type).body(body)).await
}

on_both! {
    async fn a_parameter_may_not_be_repeated_at_any_endpoint(app) {
        let token = app.log_in().await.access_token;
        for path in ENDPOINTS {
            for body in [
                format!("grant_type=client_credentials&token={token}&token={token}"),
                format!("grant_type=client_credentials&token={token}&t%6fken=x"),
                format!("grant_type=client_credentials&token={token}&token_type_hint=&token_type_hint="),
                format!("grant_type=client_credentials&token={token}&x=1&x=2"),
                format!("grant_type=client_credentials&token={token}&client_id=erp&client_id=erp"),
            ] {
                send(&app, path, "application/x-www-form-urlencoded", body).await.refused(400, "invalid_request");
            }
        }
        assert!(app.is_active(&token).await, "nothing was revoked");
    }

    async fn only_a_form_without_an_encoding_is_read_at_any_endpoint(app) {
        let token = app.log_in().await.access_token;
        for path in ENDPOINTS {
            let body = format!("grant_type=client_credentials&token={token}");
            for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
                send(&app, path, content_type, body.clone()).await.refused(400, "invalid_request");
            }
            let json = serde_json::json!({ "token": token, "grant_type": "client_credentials" }).to_string();
            send(&app, path, "application/json", json).await.refused(400, "invalid_request");
            for encoding in ["gzip", "deflate", "br", "identity"] {
                let request = app.http.post(format!("{}{path}", app.base)).basic_auth("erp", Some(&app.secret));
                let request = request.header("content-encoding", encoding);
                Answer::of(request.form(&[("token", &token)])).await.refused(400, "invalid_request");
            }
            for broken in ["%", "%00", "%ff", "a%0Ab"] {
                let body = format!("grant_type=client_credentials&token={broken}");
                send(&app, path, "application/x-www-form-urlencoded", body).await.refused(400, "invalid_request");
            }
        }
        assert!(app.is_active(&token).await, "nothing was revoked");
    }

    async fn a_token_in_the_query_is_never_read(app) {
        let token = app.log_in().await.access_token;
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            app.post(&format!("{path}?token={token}"), &[]).await.refused(400, "invalid_request");
        }
        assert!(app.is_active(&token).await, "nothing was revoked");
    }

    async fn an_unknown_client_and_a_wrong_secret_cost_the_same_look_into_the_database(app) {
        app.client("known", &[crate::support::app::API], &[signet::protocol::client::GrantType::ClientCredentials], None).await;
        for path in ENDPOINTS {
            let cost = async |client: (&str, &str)| {
                let form = [("grant_type", "client_credentials"), ("token", "x")];
                // Once to warm up: what was used lately is in memory.
                app.post(path, &form).await;
                let before = app.provider.store.checkouts();
                app.post_as(path, client, &form).await.refused(401, "invalid_client");
                app.provider.store.checkouts() - before
            };
            let unknown = cost(("nobody", &app.secret)).await;
            for client in [("erp", "wrong"), ("known", "wrong"), ("erp", "")] {
                assert_eq!(cost(client).await, unknown, "{path} {client:?}");
            }
        }
    }

    async fn a_secret_made_a_moment_ago_is_not_refused_by_an_instance_that_has_not_heard_of_it(app) {
        let other = app.second_instance().await;
        other.token(&[("grant_type", "client_credentials")]).await.tokens();
        let done = app.admin().rotate_client_secret("erp", Some(3600)).await.unwrap();
        let secret = done.client_secret.unwrap();
        other.post_as("/oauth2/token", ("erp", secret.expose()), &[("grant_type", "client_credentials")]).await.tokens();
    }

    async fn parallel_refusals_are_never_a_failure_of_the_server(app) {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "sgr_x"), ("scope", "read")];
        let answers = futures_util::future::join_all((0..60).map(|_| app.token(&form))).await;
        answers.iter().for_each(|answer| answer.refused(400, "invalid_grant"));
    }
}
