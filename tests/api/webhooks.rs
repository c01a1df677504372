//! Security events that are pushed (RFC 8935): signed, once each, and again where they did not arrive.

use std::time::Duration;

use chrono::Duration as Span;
use serde_json::json;
use signet::admin::webhook_deliveries::DeliveryState;
use signet::admin::webhooks::{NewWebhook, WebhookChange};
use signet::secret::Secret;
use signet::store::audit_events;
use signet::store::webhook_deliveries::claim;
use signet::store::{Connection, Error, webhooks};
use uuid::Uuid;

use crate::on_both;
use crate::support::app::ISSUER;
use crate::support::receiver::{AUTHORIZATION, Receiver, Reply, disable_alice, only_delivery as only, status, to};

on_both! {
    async fn an_event_arrives_once_signed_and_verifies_with_the_published_keys(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        let sub = app.admin().user("alice").await.unwrap().sub;
        disable_alice(&app).await;
        let happened = app.clock.now().timestamp();
        app.advance(2);
        assert_eq!((app.push().await, app.push().await), (1, 0));

        let received = receiver.received();
        let [request] = received.as_slice() else { panic!("{received:?}") };
        assert!(request.head.starts_with("POST /events HTTP/1.1"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/secevent+jwt"));
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.header("authorization"), None);
        let claims = app.verified(&request.body, &receiver.url()).await;
        let delivery = only(&app).await;
        assert_eq!(claims, json!({
            "iss": ISSUER, "aud": receiver.url(), "jti": delivery.jti, "iat": happened + 2, "toe": happened,
            "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": sub },
            "events": { "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {} },
        }));
        assert_eq!((delivery.state, delivery.attempts, delivery.last_error), (DeliveryState::Delivered, 1, None));
    }

    async fn a_receiver_that_was_down_gets_it_when_it_is_up_with_the_same_jti(app) {
        let address = Receiver::nowhere().await;
        app.webhook(format!("http://{address}/events"), &[]).await;
        disable_alice(&app).await;
        // Not before its pause has passed, and each pause is longer.
        for attempt in 1..=4 {
            assert_eq!((app.push().await, app.push().await), (1, 0));
            let delivery = only(&app).await;
            assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, attempt));
            assert!(delivery.last_error.unwrap().contains("refused"));
            let pause = delivery.next_attempt_at.unwrap() - app.clock.now();
            let longest = Span::seconds(1 << (attempt - 1));
            assert!(pause <= longest && pause >= (longest / 2).max(Span::seconds(1)), "{attempt}: {pause}");
            app.clock.advance(pause - Span::milliseconds(1));
            assert_eq!(app.push().await, 0);
            app.clock.advance(Span::milliseconds(1));
        }
        let receiver = Receiver::at(address).await;
        receiver.will(status(503));
        assert_eq!(app.push().await, 1);
        assert_eq!(only(&app).await.last_error.as_deref(), Some("the receiver answered 503"));
        app.advance(60);
        assert_eq!(app.push().await, 1);
        let received = receiver.received();
        assert_eq!(received[0].jti(), received[1].jti());
        assert_eq!(received[0].jti(), only(&app).await.jti.to_string());
        assert_eq!(only(&app).await.state, DeliveryState::Delivered);
        assert_eq!(receiver.received().len(), 2);
    }

    async fn what_a_receiver_says_with_400_is_kept_short_and_without_the_authorization(app) {
        let receiver = Receiver::start().await;
        let authorization = Some(Secret::new(AUTHORIZATION));
        app.admin().create_webhook(NewWebhook { authorization, ..to(receiver.url()) }).await.unwrap();
        disable_alice(&app).await;
        let said = json!({ "err": "authentication_failed", "description": format!("not {AUTHORIZATION}") });
        receiver.will(Reply::Status(400, "content-type: application/json\r\n", said.to_string()));
        app.push().await;
        let error = only(&app).await.last_error.unwrap();
        assert_eq!(error, "the receiver answered 400 authentication_failed: not …");
        assert_eq!(receiver.received()[0].header("authorization"), Some(AUTHORIZATION));
        // What is too long to be read, or is not what the RFC has, is the status alone.
        for body in [format!(r#"{{"err":"{}"}}"#, "x".repeat(70_000)), "<html>".to_owned()] {
            app.advance(3600);
            receiver.will(Reply::Status(400, "", body));
            assert_eq!(app.push().await, 1);
            assert_eq!(only(&app).await.last_error.as_deref(), Some("the receiver answered 400"));
        }
    }

    async fn after_three_days_it_is_given_up_and_an_administrator_sends_it_again(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        disable_alice(&app).await;
        let mut attempts = 0;
        for _ in 0..(73 * 2) {
            receiver.will(status(500));
            attempts += app.push().await;
            app.advance(1800);
        }
        let delivery = only(&app).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, i64::try_from(attempts).unwrap()));
        assert!(attempts > 60, "{attempts}");
        let left = receiver.received().len();
        let failed = app.admin().webhook_deliveries("siem", Some(DeliveryState::Failed), Uuid::nil(), 10).await.unwrap();
        assert_eq!(failed[0].jti, delivery.jti);
        let again = Receiver::start().await;
        let change = WebhookChange { endpoint: Some(again.url()), ..WebhookChange::default() };
        app.admin().update_webhook("siem", change).await.unwrap();
        assert_eq!(app.push().await, 0);
        assert_eq!(receiver.received().len(), left);
        app.admin().redeliver(delivery.jti).await.unwrap();
        assert_eq!(app.push().await, 1);
        assert_eq!(again.received()[0].jti(), delivery.jti.to_string());
        assert_eq!(only(&app).await.state, DeliveryState::Delivered);
    }

    async fn two_instances_push_each_event_once(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        for number in 0..20 {
            app.user(&format!("user-{number}")).await;
            app.admin().disable_user(&format!("user-{number}")).await.unwrap();
        }
        let other = app.second_instance().await;
        let (here, there) = (app.pusher(), other.pusher());
        let (one, two) = tokio::join!(here.push_due(), there.push_due());
        assert_eq!(one.unwrap() + two.unwrap(), 20);
        let jtis: std::collections::BTreeSet<String> = receiver.received().iter().map(|one| one.jti()).collect();
        assert_eq!((jtis.len(), receiver.received().len()), (20, 20));
    }

    async fn what_a_crashed_instance_had_comes_again_after_its_lease_with_the_same_jti(app) {
        let receiver = Receiver::start().await;
        app.webhook(receiver.url(), &[]).await;
        disable_alice(&app).await;
        let mut connection = app.provider.store.writing().await.unwrap();
        let webhook = webhooks::find(&mut connection, "siem").await.unwrap().unwrap();
        let now = app.clock.now();
        let until = now + Span::seconds(60);
        let taken = claim(&mut connection, webhook.id, (now, until), 5).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert!(claim(&mut connection, webhook.id, (now, until), 5).await.unwrap().is_empty(), "one owner at a time");
        drop(connection);
        assert_eq!(app.push().await, 0);
        app.advance(59);
        assert_eq!(app.push().await, 0);
        app.advance(1);
        assert_eq!(app.push().await, 1);
        assert_eq!(receiver.received()[0].jti(), taken[0].id.to_string());
        // Whoever had it first and wakes up late has nothing more to say.
        let mut connection = app.provider.store.writing().await.unwrap();
        let next = signet::store::webhook_deliveries::Next::At(now);
        signet::store::webhook_deliveries::failed(&mut connection, &taken[0], "late", next).await.unwrap();
        drop(connection);
        assert_eq!((only(&app).await.state, only(&app).await.last_error), (DeliveryState::Delivered, None));
    }

    async fn a_redirect_is_not_followed(app) {
        let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
        app.webhook(receiver.url(), &[]).await;
        disable_alice(&app).await;
        let location: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
        for code in [302, 307] {
            receiver.will(Reply::Status(code, location, String::new()));
            app.advance(60);
            assert_eq!(app.push().await, 1);
            assert_eq!(only(&app).await.last_error, Some(format!("the receiver answered {code}")));
        }
        assert_eq!(elsewhere.received().len(), 0);
    }

    async fn a_change_that_is_undone_tells_nobody(app) {
        app.webhook("http://127.0.0.1:9/".to_owned(), &[]).await;
        disable_alice(&app).await;
        let recorded = app.newest_event().await;
        let undone = async |connection: &mut Connection| -> Result<(), Error> {
            let again = audit_events::AuditEvent { id: app.provider.entropy.uuid(), ..recorded.clone() };
            audit_events::insert(connection, &again).await?;
            Err(Error::Failed("for the test".to_owned()))
        };
        app.provider.store.transaction(undone).await.unwrap_err();
        only(&app).await;
    }

    async fn a_change_goes_through_though_a_webhook_is_removed_at_that_moment(app) {
        app.webhook("http://127.0.0.1:9/".to_owned(), &[]).await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let removed = async |connection: &mut Connection| -> Result<(), Error> {
            let webhook = webhooks::find(connection, "siem").await?.unwrap();
            webhooks::delete(connection, webhook.id).await?;
            begun.send(()).unwrap();
            // Long enough for the change to come as far as it can.
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(())
        };
        let changed = async {
            has_begun.await.unwrap();
            app.admin().disable_user("alice").await.unwrap();
        };
        let (removed, ()) = tokio::join!(app.provider.store.transaction(removed), changed);
        removed.unwrap();
        assert!(app.admin().user("alice").await.unwrap().disabled_at.is_some());
    }

    async fn a_receiver_that_is_silent_holds_up_no_other(app) {
        let (silent, other) = (Receiver::start().await, Receiver::start().await);
        for _ in 0..10 {
            silent.will(Reply::Silence);
        }
        app.webhook(silent.url(), &[]).await;
        app.admin().create_webhook(NewWebhook { name: "other".to_owned(), ..to(other.url()) }).await.unwrap();
        for number in 0..6 {
            app.user(&format!("user-{number}")).await;
            app.admin().disable_user(&format!("user-{number}")).await.unwrap();
        }
        let pusher = app.pusher();
        // Ends with the test's runtime: stopped here, it might be in the middle of a statement.
        tokio::spawn(async move { pusher.run().await });
        let arrived = async {
            other.wait_for(6).await;
            silent.received().len()
        };
        let held = tokio::time::timeout(Duration::from_secs(9), arrived).await.expect("before the silent one times out");
        assert_eq!(held, 4, "so many at once for one receiver");
    }

}
