//! SIGHUP: what signet reads from files is to be read again. It never ends the process.

use std::sync::Arc;

use tokio::sync::Notify;

/// Takes the signal from now on; the future tells `asked` of each, until it is dropped.
#[cfg(unix)]
pub fn take(asked: Arc<Notify>) -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let hangups = signal(SignalKind::hangup());
    async move {
        match hangups {
            Ok(mut hangups) => {
                while hangups.recv().await.is_some() {
                    tracing::info!("SIGHUP: files are read again");
                    asked.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "SIGHUP cannot be taken: files are read again when they change"),
        }
        std::future::pending().await
    }
}

/// There is no such signal: files are read again when they change.
#[cfg(not(unix))]
pub fn take(_asked: Arc<Notify>) -> impl Future<Output = ()> {
    std::future::pending()
}
