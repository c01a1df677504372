//! Telling listeners of a list which indexes were revoked, as soon as this instance knows it.

use std::sync::Arc;

use tokio::sync::broadcast::{self, Receiver, Sender};

/// Changes that a listener may lie behind. One that lies behind further fetches the list again.
const BACKLOG: usize = 64;

/// Ranges that a listener is told of at once. Where there are more, it fetches the list.
pub const MOST_RANGES: usize = 1000;

/// Indexes of one list that are invalid, as ranges with both ends included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The revision that was read. A listener that names it later gets what came behind it.
    pub revision: i64,
    pub revoked: Vec<(i64, i64)>,
}

/// What a listener is to be told first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Beginning {
    /// What it missed; maybe nothing.
    Missed(Change),
    /// To fetch the list: it named no revision, or one that cannot be gone on from.
    Fetch { revision: i64 },
}

/// The listeners of one list.
pub struct Feed(Sender<Arc<Change>>);

impl Feed {
    pub fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    pub fn tell(&self, change: Change) {
        // Nobody listening is no failure.
        let _ = self.0.send(Arc::new(change));
    }

    pub fn listen(&self) -> Receiver<Arc<Change>> {
        self.0.subscribe()
    }
}
