//! Who is told of security events, what is kept of it, and the secret that a receiver knows the issuer by.

use serde_json::json;
use signet::admin::webhook_deliveries::DeliveryState;
use signet::admin::webhooks::{NewWebhook, WebhookChange};
use signet::admin::{Choice, Error as Refusal};
use signet::keys::master::{self, MasterKeyRing};
use signet::keys::reseal;
use signet::oauth::purge::Purge;
use signet::protocol::security_event::Kind;
use signet::secret::Secret;
use signet::store::webhooks;
use uuid::Uuid;

use crate::on_both;
use crate::support::receiver::{AUTHORIZATION, Receiver, deliveries, disable_alice, only_delivery as only, to};

on_both! {
    async fn a_disabled_webhook_is_told_nothing(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        disable_alice(&app).await;
        let admin = app.admin();
        admin.disable_webhook("siem").await.unwrap();
        admin.delete_user("alice").await.unwrap();
        assert_eq!(app.push().await, 0);
        assert!(matches!(admin.test_webhook("siem").await, Err(Refusal::Refused(_))));
        admin.enable_webhook("siem").await.unwrap();
        // What was on its way has waited.
        assert_eq!(app.push().await, 1);
        assert_eq!(only(&app).await.kind, "account-disabled");
        admin.delete_webhook("siem").await.unwrap();
        app.user("bert").await;
        admin.delete_user("bert").await.unwrap();
        assert_eq!(app.push().await, 0);
    }

    async fn a_webhook_is_told_what_it_wants_and_a_test_in_any_case(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[Kind::AccountPurged]).await;
        disable_alice(&app).await;
        assert_eq!(app.push().await, 0);
        app.admin().test_webhook("siem").await.unwrap();
        assert_eq!(app.push().await, 1);
        let claims = app.verified(&receiver.received()[0].body, &receiver.url()).await;
        assert_eq!(claims["sub_id"], json!({ "format": "opaque", "id": "siem" }));
        assert_eq!(claims["events"], json!({ "https://schemas.openid.net/secevent/ssf/event-type/verification": {} }));
        let change = WebhookChange { events: Some(Vec::new()), ..WebhookChange::default() };
        app.admin().update_webhook("siem", change).await.unwrap();
        app.admin().enable_user("alice").await.unwrap();
        disable_alice(&app).await;
        assert_eq!(app.push().await, 1);
    }

    async fn an_authorization_is_sealed_and_a_new_master_key_seals_it_anew(app) {
        let receiver = Receiver::start().await;
        let authorization = Some(Secret::new(AUTHORIZATION));
        let done = app.admin().create_webhook(NewWebhook { authorization, ..to(receiver.url()) }).await.unwrap();
        assert!(done.view.has_authorization);
        let stored = async || {
            let mut connection = app.provider.store.reading().await.unwrap();
            webhooks::find(&mut connection, "siem").await.unwrap().unwrap().sealed_authorization.unwrap()
        };
        let before = stored().await;
        assert!(!before.windows(5).any(|part| part == b"viola" || part == b"Beare"));

        master::add_key(&app.config.master_key_file, &signet::entropy::Entropy::system()).unwrap();
        let both = MasterKeyRing::load(&app.config.master_key_file).unwrap();
        reseal::rotate(&app.provider.store, &both, |_, _| ()).await.unwrap();
        assert_ne!(stored().await, before);
        let text = std::fs::read_to_string(&app.config.master_key_file).unwrap();
        std::fs::write(&app.config.master_key_file, text.lines().next().unwrap()).unwrap();
        let restarted = app.second_instance().await;
        disable_alice(&app).await;
        assert_eq!(restarted.push().await, 1);
        assert_eq!(receiver.received()[0].header("authorization"), Some(AUTHORIZATION));

        // In another webhook's row it does not open, and the doctor names it.
        app.sql("UPDATE webhooks SET sealed_authorization = (SELECT ciphertext FROM sealed_secrets WHERE name = 'canary')").await;
        let doctor = app.program(&["doctor", "--json"]).output().unwrap();
        let text = String::from_utf8_lossy(&doctor.stdout);
        assert!(text.contains("webhooks, authorization of siem: the value was changed"), "{text}");
        app.admin().enable_user("alice").await.unwrap();
        app.advance(1);
        disable_alice(&app).await;
        restarted.push().await;
        assert_eq!(receiver.received().len(), 1, "nothing is sent without it");
        let error = deliveries(&app).await.pop().unwrap().last_error.unwrap();
        assert!(error.starts_with("the authorization does not open"), "{error}");

        let change = WebhookChange { authorization: Some(Choice::Default), ..WebhookChange::default() };
        assert!(!app.admin().update_webhook("siem", change).await.unwrap().view.has_authorization);
        app.advance(10);
        assert_eq!(restarted.push().await, 1);
        assert_eq!(receiver.received()[1].header("authorization"), None);
    }

    async fn what_arrived_is_kept_for_a_week_and_what_did_not_for_a_month(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        disable_alice(&app).await;
        app.push().await;
        app.admin().disable_webhook("siem").await.unwrap();
        let purge = async || {
            Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone()).everything().await.unwrap().webhook_deliveries
        };
        app.admin().enable_webhook("siem").await.unwrap();
        app.advance(1);
        app.admin().test_webhook("siem").await.unwrap();
        app.admin().disable_webhook("siem").await.unwrap();
        app.advance(3 * 86400 - 1);
        assert_eq!(purge().await, 0);
        assert_eq!(deliveries(&app).await[1].state, DeliveryState::Pending);
        app.advance(1);
        assert_eq!(purge().await, 0);
        let waited = deliveries(&app).await.remove(1);
        assert_eq!(waited.state, DeliveryState::Failed, "it waited for a disabled webhook");
        assert_eq!(waited.last_error.as_deref(), Some("it was not taken in time"));
        app.advance(4 * 86400 - 2);
        assert_eq!(purge().await, 0);
        app.advance(1);
        assert_eq!(purge().await, 1);
        assert_eq!(only(&app).await.kind, "verification");
        app.advance(26 * 86400);
        assert_eq!(purge().await, 0);
        app.advance(1);
        assert_eq!(purge().await, 1);
        assert_eq!(deliveries(&app).await.len(), 0);
    }

    async fn what_cannot_work_is_refused(app) {
        let admin = app.admin();
        let push = |endpoint: &str| to(endpoint.to_owned());
        let refused = async |new: NewWebhook, field: &str| match admin.create_webhook(new).await {
            Err(Refusal::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        };
        refused(push("http://siem.example/"), "endpoint").await;
        refused(NewWebhook { endpoint: None, ..push("") }, "endpoint").await;
        refused(NewWebhook { name: "a b".to_owned(), ..push("https://siem.example/") }, "name").await;
        for bad in ["token", "Bearer ", "Bearer a\nX: y", ""] {
            let authorization = Some(Secret::new(bad));
            refused(NewWebhook { authorization, ..push("https://siem.example/") }, "authorization").await;
        }
        admin.create_webhook(push("https://siem.example/")).await.unwrap();
        assert!(matches!(admin.create_webhook(push("https://siem.example/")).await, Err(Refusal::Exists { .. })));
        for name in ["nobody", "a\0b"] {
            assert!(matches!(admin.webhook(name).await, Err(Refusal::NotFound { .. })));
        }
        assert!(matches!(admin.redeliver(Uuid::nil()).await, Err(Refusal::NotFound { .. })));
    }
}
