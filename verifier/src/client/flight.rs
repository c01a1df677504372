//! One fetch at a time of one thing, which all who need it wait for. It goes on when they give up.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::FetchError;

type Landed = Result<(), FetchError>;

/// At most one attempt in the air.
#[derive(Debug, Default)]
pub(super) struct Flight(Mutex<Option<watch::Receiver<Option<Landed>>>>);

/// An attempt that is in the air or has landed.
pub(super) struct Passenger(watch::Receiver<Option<Landed>>);

impl Flight {
    /// Joins the attempt that is in the air, or starts one if that is allowed at all. What `is_allowed` reads is settled
    /// before an attempt lands, so that of many callers one starts the next.
    pub(super) fn join<W>(
        &self,
        runtime: &Handle,
        is_allowed: impl FnOnce() -> bool,
        work: impl FnOnce() -> W,
    ) -> Option<Passenger>
    where
        W: Future<Output = Landed> + Send + 'static,
    {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = current.as_ref().filter(|flight| is_in_the_air(flight)) {
            return Some(Passenger(flight.clone()));
        }
        if !is_allowed() {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        *current = Some(receiver.clone());
        let work = work();
        runtime.spawn(async move {
            let landed = work.await;
            // Nobody may be waiting.
            let _ = sender.send(Some(landed));
        });
        Some(Passenger(receiver))
    }

    /// The attempt that is in the air.
    pub(super) fn current(&self) -> Option<Passenger> {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|flight| is_in_the_air(flight)).cloned().map(Passenger)
    }
}

/// It has no result, and somebody is still working at one.
fn is_in_the_air(flight: &watch::Receiver<Option<Landed>>) -> bool {
    flight.borrow().is_none() && flight.has_changed().is_ok()
}

impl Passenger {
    pub(super) async fn landed(mut self) -> Landed {
        match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or(Err(FetchError::Aborted)),
            Err(_) => Err(FetchError::Aborted),
        }
    }
}
