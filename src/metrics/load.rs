//! What a listener bears and what it has refused. The bounds themselves are in `http/limits`, which counts; here is only how
//! each listener's counts are found when somebody asks for them.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Of one listener: what is there, and what was refused since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub connections: usize,
    pub connections_refused: u64,
    pub connections_evicted: u64,
    pub in_flight: usize,
    pub shed: u64,
    pub rate_limited: u64,
    pub held_back: u64,
}

type Read = Box<dyn Fn() -> Load + Send + Sync>;

/// Of every listener of the process.
#[derive(Default)]
pub struct Loads(Mutex<Vec<(&'static str, Read)>>);

impl Loads {
    /// Asks `read` from now on; a listener of the same name before it is forgotten.
    pub fn watch(&self, listener: &'static str, read: impl Fn() -> Load + Send + Sync + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(name, _)| *name != listener);
        all.push((listener, Box::new(read)));
    }

    pub fn all(&self) -> Vec<(&'static str, Load)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(listener, read)| (*listener, read())).collect()
    }
}

impl fmt::Debug for Loads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loads")
    }
}
