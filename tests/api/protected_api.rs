//! The example API (`examples/protected_api`) with a real issuer. What it refuses of a forger's tokens, its own tests say.

#[path = "../../examples/protected_api/orders/mod.rs"]
#[expect(dead_code, reason = "the tests name the key set themselves: the issuer's metadata has another address")]
mod orders;

use std::net::TcpListener;
use std::time::Duration;

use orders::key_set::{KeySet, Source};
use orders::verify::Verifier;
use serde_json::json;
use signet::keys::Activation;
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;

use crate::on_both;
use crate::support::app::{API, App, ISSUER, OTHER_API, PASSWORD, header};

/// Starts the API; answers the URL of its orders. It judges by the system's clock, so the issuer's is set to that.
fn start(app: &App, audience: &str) -> String {
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    app.advance(now - app.clock.now().timestamp());
    let location = format!("{}/.well-known/jwks.json", app.base).parse().unwrap();
    let mut keys = KeySet::new(app.http.clone(), Source::Jwks(location));
    keys.cool_down = Duration::ZERO;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let orders = format!("http://{}/orders", listener.local_addr().unwrap());
    let server = orders::listen(listener, Verifier::new(ISSUER.to_owned(), audience, keys)).unwrap();
    tokio::task::spawn_local(server);
    orders
}

/// The statuses of reading and adding.
async fn statuses(app: &App, orders: &str, token: &str) -> (u16, u16) {
    let reading = app.http.get(orders).bearer_auth(token).send().await.unwrap();
    let order = json!({ "item": "bolt", "quantity": 3 });
    let adding = app.http.post(orders).bearer_auth(token).json(&order).send().await.unwrap();
    (reading.status().as_u16(), adding.status().as_u16())
}

async fn access_token(app: &App, more: (&str, &str)) -> String {
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), more];
    app.token(&form).await.tokens().access_token
}

on_both! {
    async fn an_api_serves_what_the_scope_of_a_token_allows(app) {
        let orders = start(&app, API);
        let tokens = app.log_in().await;
        assert_eq!(statuses(&app, &orders, &tokens.access_token).await, (200, 201));
        assert_eq!(statuses(&app, &orders, &access_token(&app, ("scope", "read")).await).await, (200, 403));
        assert_eq!(statuses(&app, &orders, &access_token(&app, ("resource", OTHER_API)).await).await, (401, 401));
        assert_eq!(statuses(&app, &orders, tokens.refresh()).await, (401, 401));
    }

    async fn an_api_knows_a_new_key_as_soon_as_a_token_names_it(app) {
        let orders = start(&app, API);
        let before = app.log_in().await.access_token;
        assert_eq!(statuses(&app, &orders, &before).await, (200, 201));
        app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        app.synchronise().await;
        let after = app.log_in().await.access_token;
        assert_ne!(header(&before)["kid"], header(&after)["kid"]);
        assert_eq!(statuses(&app, &orders, &after).await, (200, 201));
        assert_eq!(statuses(&app, &orders, &before).await, (200, 201));
    }

    async fn an_api_verifies_every_algorithm_that_the_issuer_signs_with(app) {
        for algorithm in Algorithm::ALL {
            let audience = format!("https://{algorithm}.example").to_lowercase();
            app.api(&audience, "read", algorithm).await;
            let orders = start(&app, &audience);
            let client_id = algorithm.as_str();
            let secret = app.client(client_id, &[&audience], &[GrantType::ClientCredentials], None).await.unwrap();
            let form = [("grant_type", "client_credentials")];
            let token = app.post_as("/oauth2/token", (client_id, &secret), &form).await.tokens().access_token;
            assert_eq!(statuses(&app, &orders, &token).await, (200, 403), "{algorithm}");
        }
    }
}
