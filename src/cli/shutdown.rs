//! The end of a serving process: asked for by a signal, announced while requests are still taken, and then carried out.

use std::time::Duration;

use super::supervisor;
use crate::http::Stop;

/// How a process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By a service manager, which has load balancers look elsewhere meanwhile.
    Orderly,
    /// By somebody at the terminal, who waits for it.
    Promptly,
}

/// What asks this process to stop. Signals that come while this stands are kept for it.
pub struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// From now on signals do not end the process by themselves.
    pub fn catch() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { terminate: signal(SignalKind::terminate()).ok(), interrupt: signal(SignalKind::interrupt()).ok() }
    }

    /// Waits until the process is asked to stop.
    pub async fn asked_to_stop(&mut self) -> Asked {
        // A signal that cannot be caught ends the process as it did.
        async fn next(signal: Option<&mut tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = next(self.terminate.as_mut()) => Asked::Orderly,
            () = next(self.interrupt.as_mut()) => Asked::Promptly,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub fn catch() -> Self {
        Self {}
    }

    /// Waits until the process is asked to stop.
    pub async fn asked_to_stop(&mut self) -> Asked {
        tokio::select! {
            () = supervisor::asked_to_stop() => Asked::Orderly,
            _ = tokio::signal::ctrl_c() => Asked::Promptly,
        }
    }
}

/// Ends when the process was asked to stop and the servers have done so: after `delay`, in which they say that they are
/// about to, and when no request is in flight any more. Asked a second time, at once.
pub async fn orderly(mut signals: Signals, servers: Vec<Stop>, delay: Duration) {
    let asked = signals.asked_to_stop().await;
    supervisor::stopping();
    let again = async {
        signals.asked_to_stop().await;
        tracing::warn!("asked a second time: stopping at once");
    };
    let end = async {
        servers.iter().for_each(Stop::announce);
        if asked == Asked::Orderly && !delay.is_zero() {
            tracing::info!(seconds = delay.as_secs(), "about to stop: requests are taken until load balancers know");
            tokio::time::sleep(delay).await;
        }
        tracing::info!("stopping: requests in flight are finished first");
        futures_util::future::join_all(servers.into_iter().map(Stop::drain)).await;
    };
    tokio::select! {
        () = end => {}
        () = again => {}
    }
}
