//! The example API (`examples/protected_api`) with a real issuer. What it refuses of a forger's tokens, its own tests say.

#[path = "../../examples/protected_api/orders.rs"]
mod orders;

use std::net::TcpListener;

use serde_json::json;
use signet::keys::Activation;
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;
use signet_verifier::{Client, Policy, UnixTime};

use crate::on_both;
use crate::support::app::{API, App, OTHER_API, PASSWORD, header};

/// Starts the API, which judges by the issuer's clock; answers the URL of its orders.
fn start(app: &App, audience: &str) -> String {
    let clock = app.clock.clone();
    let now = move || UnixTime::from_secs(clock.now().timestamp());
    let verifier = Client::builder(Policy::new(&app.base, audience)).clock(now).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let orders = format!("http://{}/orders", listener.local_addr().unwrap());
    tokio::task::spawn_local(orders::listen(listener, verifier).unwrap());
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
        let app = app.at_its_own_address().await;
        let orders = start(&app, API);
        let tokens = app.log_in().await;
        assert_eq!(statuses(&app, &orders, &tokens.access_token).await, (200, 201));
        assert_eq!(statuses(&app, &orders, &access_token(&app, ("scope", "read")).await).await, (200, 403));
        assert_eq!(statuses(&app, &orders, &access_token(&app, ("resource", OTHER_API)).await).await, (401, 401));
        assert_eq!(statuses(&app, &orders, tokens.refresh()).await, (401, 401));
    }

    async fn an_api_knows_a_new_key_as_soon_as_a_token_names_it(app) {
        let app = app.at_its_own_address().await;
        let orders = start(&app, API);
        let before = app.log_in().await.access_token;
        assert_eq!(statuses(&app, &orders, &before).await, (200, 201));
        app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        app.synchronise().await;
        // It does not ask again for an unknown key within half a minute.
        app.advance(31);
        let after = app.log_in().await.access_token;
        assert_ne!(header(&before)["kid"], header(&after)["kid"]);
        assert_eq!(statuses(&app, &orders, &after).await, (200, 201));
        assert_eq!(statuses(&app, &orders, &before).await, (200, 201));
    }

    async fn an_api_verifies_every_algorithm_that_the_issuer_signs_with(app) {
        let app = app.at_its_own_address().await;
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
