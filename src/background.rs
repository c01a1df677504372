//! What a serving process does beside answering: learning of changes, and what time asks for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::audit::EVENTS_A_SEAL;
use crate::oauth::Provider;
use crate::oauth::purge::Purge;
use crate::store::Notices;
use crate::webhooks::{Outbox, Pusher};

/// How often the revision counters are read when no notice comes. Well inside the bound within which what is held in
/// memory must have been confirmed.
const POLL: Duration = Duration::from_millis(250);

/// However many notices come, the counters are not read more often than this apart, nor is anything rebuilt for them.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the database may take to answer that. A server whose machine or network is gone never does, and its connections
/// do not break for a quarter of an hour.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether a key is due, and what has ended. The publication period is far longer.
const MAINTENANCE: Duration = Duration::from_secs(60);

/// How often the fetches of the key set are written down.
const RECORDING: Duration = Duration::from_secs(30);

/// Follows the database until the task is dropped: every change that another process makes is known within the poll
/// interval, and at once where PostgreSQL sends a notice.
pub async fn follow(provider: Arc<Provider>) {
    let (noticed, returned) = (Notify::new(), Notify::new());
    tokio::join!(listen(&provider, &noticed, &returned), poll(&provider, &noticed, &returned));
}

/// Up to half as long again: instances that lost the database at the same moment do not come back to it in step.
fn jittered(provider: &Provider, time: Duration) -> Duration {
    let [random] = provider.entropy.bytes();
    time + time * u32::from(random) / 512
}

async fn poll(provider: &Provider, noticed: &Notify, returned: &Notify) {
    let mut reachable = true;
    loop {
        let answer = tokio::time::timeout(PATIENCE, provider.synchronise()).await;
        let silence = |_| Err("it does not answer".to_owned());
        match answer.map_or_else(silence, |outcome| outcome.map_err(|error| error.to_string())) {
            Ok(()) if !reachable => {
                tracing::info!("the database answers again");
                reachable = true;
                // It may be another server now, where the one that is listened to says nothing any more.
                returned.notify_one();
            }
            Ok(()) => {}
            Err(error) => {
                if reachable {
                    tracing::error!(error, "the database cannot be followed: requests that need it are answered 503");
                }
                reachable = false;
                // What is left in the pool may lead to a server that is gone, as does the connection just given up.
                provider.store.forget_idle_connections();
            }
        }
        tokio::time::sleep(PAUSE).await;
        // A timeout is the usual end of the wait.
        let _ = tokio::time::timeout(jittered(provider, POLL), noticed.notified()).await;
    }
}

async fn listen(provider: &Provider, noticed: &Notify, returned: &Notify) {
    loop {
        if let Ok(mut notices) = provider.store.notices().await {
            if matches!(notices, Notices::Silent) {
                return;
            }
            // What changed before the connection stood is not noticed on it.
            noticed.notify_one();
            loop {
                let came = tokio::select! {
                    came = notices.next(Duration::from_secs(30)) => came,
                    () = returned.notified() => break,
                };
                match came {
                    Ok(true) => noticed.notify_one(),
                    Ok(false) => {}
                    Err(_) => {
                        tracing::warn!("the connection that notices changes was lost: polling until it is back");
                        break;
                    }
                }
            }
        }
        tokio::time::sleep(jittered(provider, Duration::from_secs(1))).await;
    }
}

/// Rotates and purges signing keys as time asks for it, seals audit events, and removes what has ended. Every instance runs
/// this; the database lets one do the work.
pub async fn maintain(provider: Arc<Provider>) {
    let mut looked_at = provider.clock.now();
    let mut purge = Purge::new(provider.store.clone(), provider.clock.clone(), provider.entropy.clone());
    loop {
        tokio::time::sleep(MAINTENANCE).await;
        match provider.keys.maintain().await {
            Ok(staged) => {
                for key in staged {
                    tracing::info!(key.id = key.kid, active_at = %key.active_at, "a signing key is staged");
                }
            }
            Err(error) => tracing::error!(%error, "signing keys could not be maintained"),
        }
        let now = provider.clock.now();
        match provider.warn_of_activations(looked_at, now).await {
            Ok(_) => looked_at = now,
            Err(error) => tracing::error!(%error, "which verifiers know the new signing key could not be looked up"),
        }
        if let Err(error) = provider.audit_trail().seal_when_due(EVENTS_A_SEAL).await {
            tracing::error!(%error, "audit events could not be sealed: it is tried again in a minute");
        }
        match provider.note_activations().await {
            Ok(kids) => {
                for kid in kids {
                    tracing::info!(key.id = kid, "a signing key has begun to sign");
                }
            }
            Err(error) => tracing::error!(%error, "that a signing key has begun to sign could not be recorded"),
        }
        match purge.round().await {
            Ok(purged) if purged.rows() > 0 => tracing::info!(?purged, "what has ended was removed"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what has ended could not be removed: it is tried again in a minute"),
        }
    }
}

/// Writes down who fetched the key set.
pub async fn record(provider: Arc<Provider>) {
    loop {
        tokio::time::sleep(RECORDING).await;
        if let Err(error) = provider.record_key_set_fetches().await {
            tracing::warn!(%error, "who fetched the key set could not be written down: it is kept for the next time");
        }
    }
}

/// Writes down which tokens were issued, where that is wanted, until that is closed; then what still waits, once.
pub async fn record_tokens(provider: Arc<Provider>) {
    let mut reachable = true;
    loop {
        provider.token_events.due().await;
        let last = provider.token_events.is_closed();
        if last {
            // Connections live on the thread that opened them, and those that answered have ended.
            provider.store.forget_idle_connections();
        }
        match provider.write_token_events().await {
            Ok(_) => reachable = true,
            Err(error) if last => tracing::warn!(%error, "the last token events could not be written down"),
            Err(error) => {
                if reachable {
                    tracing::warn!(%error, "token events could not be written down: they are kept for the next time");
                }
                reachable = false;
                // However full it is: a database that is away is not asked more often.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        if last {
            return;
        }
    }
}

/// Pushes security events to webhooks. Every instance does; a lease in the database lets one at a time be at each event.
pub async fn tell(provider: Arc<Provider>) {
    match Pusher::new(outbox(&provider)) {
        Ok(pusher) => pusher.run().await,
        Err(error) => {
            tracing::error!(%error, "there is no TLS client: this instance pushes no security events");
            // The other tasks go on.
            std::future::pending::<()>().await;
        }
    }
}

/// What an issuer tells security events with.
pub fn outbox(provider: &Provider) -> Outbox {
    Outbox {
        issuer: provider.issuer.clone(),
        store: provider.store.clone(),
        clock: provider.clock.clone(),
        entropy: provider.entropy.clone(),
        keys: provider.keys.clone(),
    }
}
