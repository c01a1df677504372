//! Security events that a receiver polls for (RFC 8936).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signet::admin::Error as Refusal;
use signet::admin::webhook_deliveries::{DeliveryState, DeliveryView};
use signet::admin::webhooks::NewWebhook;
use signet::protocol::security_event::Delivery;
use signet::protocol::set_poll::{PollRequest, PollResponse};
use uuid::Uuid;

use crate::on_both;
use crate::support::app::{App, ISSUER};
use crate::support::receiver::to;

async fn webhook(app: &App) {
    let (delivery, endpoint) = (Delivery::Poll, None);
    app.admin().create_webhook(NewWebhook { delivery, endpoint, ..to(String::new()) }).await.unwrap();
}

/// As the request is spelled in the RFC.
async fn poll(app: &App, request: Value) -> PollResponse {
    let request: PollRequest = serde_json::from_value(request).unwrap();
    app.admin().poll_events(&app.provider.issuer, "siem", &request).await.unwrap()
}

async fn happen(app: &App, events: usize) {
    for number in 0..events {
        let name = format!("user-{number}");
        app.user(&name).await;
        app.admin().disable_user(&name).await.unwrap();
        app.advance(1);
    }
}

async fn deliveries(app: &App) -> Vec<DeliveryView> {
    app.admin().webhook_deliveries("siem", None, Uuid::nil(), 100).await.unwrap()
}

on_both! {
    async fn what_is_acknowledged_does_not_come_again(app) {
        webhook(&app).await;
        happen(&app, 3).await;
        let first = poll(&app, json!({ "maxEvents": 2, "returnImmediately": true })).await;
        assert!(first.sets.len() == 2 && first.more_available);
        for (jti, token) in &first.sets {
            let claims = app.verified(token, "siem").await;
            assert_eq!((&claims["jti"], &claims["iss"]), (&json!(jti), &json!(ISSUER)));
        }
        let (one, other) = { let mut jtis = first.sets.keys(); (jtis.next().unwrap(), jtis.next().unwrap()) };
        let errors = json!({ other: { "err": "invalid_key", "description": "no such\nkey" } });
        // Zero events: an acknowledgement alone.
        let none = poll(&app, json!({ "maxEvents": 0, "ack": [one, "not-ours", Uuid::nil()], "setErrs": errors })).await;
        assert!(none.sets.is_empty() && none.more_available);
        let second = poll(&app, json!({ "returnImmediately": true })).await;
        assert!(second.sets.len() == 1 && !second.more_available);
        app.advance(61);
        let third = poll(&app, json!({ "returnImmediately": true })).await;
        // Not acknowledged yet, so the same event again, by the same `jti`.
        assert_eq!(third.sets.keys().collect::<Vec<_>>(), second.sets.keys().collect::<Vec<_>>());
        let ack: Vec<&String> = third.sets.keys().collect();
        app.advance(61);
        assert!(poll(&app, json!({ "returnImmediately": true, "ack": ack })).await.sets.is_empty());
        let mut states: Vec<_> = deliveries(&app).await.into_iter().map(|delivery| (delivery.state, delivery.last_error)).collect();
        states.sort_by_key(|(state, _)| *state == DeliveryState::Failed);
        let refused = Some("the receiver refused it: invalid_key: no such key".to_owned());
        assert_eq!(states, [(DeliveryState::Delivered, None), (DeliveryState::Delivered, None), (DeliveryState::Failed, refused)]);
    }

    async fn two_that_poll_at_once_get_different_events(app) {
        webhook(&app).await;
        happen(&app, 6).await;
        let other = app.second_instance().await;
        let ask = json!({ "maxEvents": 4, "returnImmediately": true });
        let (one, two) = tokio::join!(poll(&app, ask.clone()), poll(&other, ask.clone()));
        let mut all: Vec<String> = one.sets.into_keys().chain(two.sets.into_keys()).collect();
        all.extend(poll(&app, ask).await.sets.into_keys());
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!((count, all.len()), (6, 6));
    }

    async fn a_poll_waits_for_something_to_happen(app) {
        webhook(&app).await;
        let began = Instant::now();
        let later = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            happen(&app, 1).await;
        };
        let (answer, ()) = tokio::join!(poll(&app, json!({})), later);
        assert_eq!(answer.sets.len(), 1);
        assert!((600..10_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        let began = Instant::now();
        assert!(poll(&app, json!({ "returnImmediately": true })).await.sets.is_empty());
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    async fn only_an_enabled_webhook_that_polls_is_polled_for(app) {
        webhook(&app).await;
        let admin = app.admin();
        admin.create_webhook(NewWebhook { name: "pushed".to_owned(), ..to("https://siem.example/".to_owned()) }).await.unwrap();
        let request = PollRequest { return_immediately: true, ..PollRequest::default() };
        let refused = async |name: &str| admin.poll_events(&app.provider.issuer, name, &request).await.unwrap_err();
        assert!(matches!(refused("pushed").await, Refusal::Refused(_)));
        assert!(matches!(refused("nobody").await, Refusal::NotFound { .. }));
        admin.disable_webhook("siem").await.unwrap();
        assert!(matches!(refused("siem").await, Refusal::Refused(_)));
        // Nothing of one that polls is pushed.
        admin.enable_webhook("siem").await.unwrap();
        admin.disable_webhook("pushed").await.unwrap();
        happen(&app, 1).await;
        assert_eq!(app.push().await, 0);
    }

    async fn an_acknowledgement_does_not_reach_another_webhooks_events(app) {
        webhook(&app).await;
        let (delivery, endpoint) = (Delivery::Poll, None);
        app.admin().create_webhook(NewWebhook { name: "other".to_owned(), delivery, endpoint, ..to(String::new()) }).await.unwrap();
        happen(&app, 1).await;
        let jti = deliveries(&app).await[0].jti;
        let request: PollRequest = serde_json::from_value(json!({ "ack": [jti], "maxEvents": 0,
            "setErrs": { jti.to_string(): { "err": "invalid_request" } } })).unwrap();
        app.admin().poll_events(&app.provider.issuer, "other", &request).await.unwrap();
        assert_eq!(deliveries(&app).await[0].state, DeliveryState::Pending);
    }
}
