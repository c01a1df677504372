//! Whether somebody still waits for an answer. A request that has begun is carried out in any case, for it may be in the middle
//! of a transaction; but one that only waits for its turn need not go on.

use tokio::sync::watch;

/// Held as long as somebody waits.
#[derive(Debug)]
pub struct Waiting {
    _gone_when_dropped: watch::Sender<()>,
}

/// What a request knows of whoever sent it. Without one, somebody waits for ever.
#[derive(Clone, Debug, Default)]
pub struct Presence(Option<watch::Receiver<()>>);

impl Presence {
    pub fn new() -> (Waiting, Self) {
        let (sender, receiver) = watch::channel(());
        (Waiting { _gone_when_dropped: sender }, Self(Some(receiver)))
    }

    /// Returns when nobody waits any more.
    pub async fn gone(&self) {
        match self.0.clone() {
            // Nothing is ever sent: it ends when the sender does.
            Some(mut receiver) => while receiver.changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }
}
