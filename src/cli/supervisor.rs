//! Whoever started the server and watches it: systemd, which is told by `sd_notify(3)`, or Windows' service manager. Where
//! there is neither, nothing is told.

/// Requests are taken.
pub fn ready() {
    #[cfg(target_os = "linux")]
    tell(&[sd_notify::NotifyState::Ready]);
    #[cfg(windows)]
    super::windows_service::running();
}

/// The process was told to stop, and finishes what is in flight.
pub fn stopping() {
    #[cfg(target_os = "linux")]
    tell(&[sd_notify::NotifyState::Stopping]);
}

/// Returns when Windows' service manager wants the server to stop. systemd says so by a signal.
#[cfg(not(unix))]
pub async fn asked_to_stop() {
    #[cfg(windows)]
    super::windows_service::asked_to_stop().await;
    #[cfg(not(windows))]
    std::future::pending::<()>().await;
}

#[cfg(target_os = "linux")]
fn tell(state: &[sd_notify::NotifyState<'_>]) {
    // systemd then waits until its own limit. That is its business; requests are served meanwhile.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
