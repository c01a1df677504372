//! The client, through its front door, against an issuer on a loopback port. Time moves by hand.

#[path = "../support/mod.rs"]
mod support;

mod feed;
mod issuer;
mod keys;
mod lists;

use std::time::Duration;

/// Waits for what happens in the background, which no caller is told of.
async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut happened: F) {
    for _ in 0..300 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within three seconds");
}
