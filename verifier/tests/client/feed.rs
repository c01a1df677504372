//! Changes that the issuer pushes.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use signet_verifier::{Client, Error};

use crate::eventually;
use crate::issuer::Issuer;

/// A client that follows, and its issuer, once both know of each other.
async fn following() -> (Arc<Issuer>, Client) {
    let issuer = Issuer::start().await;
    let client = issuer.builder().follow_changes(true).build().unwrap();
    client.verify(&issuer.token(1)).await.unwrap();
    eventually("it follows, and has fetched since", async || issuer.push(": beat\n\n") && lists(&issuer) == 2).await;
    (issuer, client)
}

fn lists(issuer: &Issuer) -> usize {
    issuer.counts.lists.load(SeqCst)
}

async fn is_revoked(issuer: &Issuer, client: &Client, index: u64) -> bool {
    matches!(client.verify(&issuer.token(index)).await, Err(Error::Revoked))
}

#[tokio::test]
async fn a_pushed_revocation_is_known_at_once_and_without_a_fetch() {
    let (issuer, client) = following().await;
    issuer.push("id: 7\nevent: revoked\ndata: {\"revoked\":[[5,5],[9,9]]}\n\n");
    eventually("5 is revoked", async || is_revoked(&issuer, &client, 5).await).await;
    assert!(is_revoked(&issuer, &client, 9).await);
    client.verify(&issuer.token(6)).await.unwrap();
    issuer.push("id: 8\nevent: revoked\ndata: {\"revoked\":[[6,6]]}\n\n");
    eventually("6 is revoked", async || is_revoked(&issuer, &client, 6).await).await;
    // Past the ttl: what is followed is not asked for.
    issuer.pass(600);
    assert!(is_revoked(&issuer, &client, 5).await);
    assert_eq!(lists(&issuer), 2);
}

#[tokio::test]
async fn a_reset_has_the_list_fetched_again_and_what_was_pushed_stays() {
    let (issuer, client) = following().await;
    issuer.pass(120);
    issuer.publish_list(&[3]);
    issuer.push("id: 7\nevent: reset\ndata: {}\n\n");
    eventually("3 is revoked", async || is_revoked(&issuer, &client, 3).await).await;
    assert_eq!(lists(&issuer), 3);
    issuer.push("id: 9\nevent: revoked\ndata: {\"revoked\":[[5,7]]}\n\n");
    eventually("5 is revoked", async || is_revoked(&issuer, &client, 5).await).await;
    issuer.publish_list(&[3, 4]);
    issuer.push("id: 10\nevent: reset\ndata: {}\n\n");
    eventually("4 is revoked", async || is_revoked(&issuer, &client, 4).await).await;
    assert!(is_revoked(&issuer, &client, 7).await, "what was pushed survives a list that was made before");
    assert_eq!(lists(&issuer), 4);
}

#[tokio::test]
async fn after_a_break_it_asks_at_once_and_resumes_where_it_was() {
    let (issuer, client) = following().await;
    issuer.push("id: 7\nevent: revoked\ndata: {\"revoked\":[[5,5]]}\n\n");
    eventually("5 is revoked", async || is_revoked(&issuer, &client, 5).await).await;
    issuer.pass(120);
    issuer.publish_list(&[5, 8]);
    issuer.cut();
    eventually("8 is revoked", async || is_revoked(&issuer, &client, 8).await).await;
    eventually("it follows again", async || issuer.push("id: 8\nevent: revoked\ndata: {\"revoked\":[[2,2]]}\n\n"))
        .await;
    eventually("2 is revoked", async || is_revoked(&issuer, &client, 2).await).await;
    assert_eq!(*issuer.last_event_ids.lock().unwrap(), ["7"]);
}

#[tokio::test]
async fn nobody_follows_unless_told_to() {
    let issuer = Issuer::start().await;
    let client = issuer.client().await;
    client.verify(&issuer.token(1)).await.unwrap();
    assert_eq!(issuer.counts.feeds.load(SeqCst), 0);
}
