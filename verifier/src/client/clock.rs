//! Where the client learns the time. A program takes [`SystemClock`]; a test moves its own.

use std::time::SystemTime;

use crate::UnixTime;

/// The present time, as every expiry is judged by.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time is read")]
    fn now(&self) -> UnixTime {
        SystemTime::now().into()
    }
}

impl<F: Fn() -> UnixTime + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixTime {
        self()
    }
}
