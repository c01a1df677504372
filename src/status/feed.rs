//! Telling listeners of a list which indexes were revoked, as soon as this instance knows it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Changes that a listener may lie behind. One that lies behind further fetches the list again.
const BACKLOG: usize = 64;

/// Ranges that a listener is told of at once. Where there are more, it fetches the list.
pub const MOST_RANGES: usize = 1000;

/// After so long a change is in the document of each instance that answers: one whose database has not told it of
/// changes for two seconds serves none, and a document is made again at most a quarter of a second after a change.
pub const SETTLED: Duration = Duration::from_secs(5);

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
    Fetch {
        revision: i64,
        /// What the list that it gets may not have yet.
        recent: Vec<(i64, i64)>,
        /// Whether that is all of it. Otherwise the list is to be fetched again when the changes are [`SETTLED`].
        is_all: bool,
    },
}

/// What was lately learned to be revoked in one list: a document may be older than that.
#[derive(Default)]
pub struct Recent {
    changes: VecDeque<(DateTime<Utc>, (i64, i64))>,
    /// When something was learned that there was no room for.
    overflowed: Option<DateTime<Utc>>,
}

impl Recent {
    pub fn learn(&mut self, now: DateTime<Utc>, range: (i64, i64)) {
        while self.changes.pop_front_if(|(at, _)| is_settled(*at, now)).is_some() {}
        if self.changes.len() < MOST_RANGES {
            self.changes.push_back((now, range));
        } else {
            self.overflowed = Some(now);
        }
    }

    /// What a document may not have yet, and whether that is all.
    pub fn unsettled(&self, now: DateTime<Utc>) -> (Vec<(i64, i64)>, bool) {
        let unsettled = self.changes.iter().filter(|(at, _)| !is_settled(*at, now));
        (unsettled.map(|(_, range)| *range).collect(), self.overflowed.is_none_or(|at| is_settled(at, now)))
    }
}

pub fn is_settled(learned: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - learned).to_std().is_ok_and(|age| age >= SETTLED)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn what_was_learned_is_recent_until_it_is_settled() {
        let mut recent = Recent::default();
        recent.learn(at(0), (1, 1));
        recent.learn(at(3), (4, 7));
        assert_eq!(recent.unsettled(at(4)), (vec![(1, 1), (4, 7)], true));
        assert_eq!(recent.unsettled(at(5)), (vec![(4, 7)], true));
        assert_eq!(recent.unsettled(at(8)), (vec![], true));
        recent.learn(at(8), (9, 9));
        assert_eq!(recent.changes.len(), 1, "what is settled takes no room");
    }

    #[test]
    fn more_than_there_is_room_for_is_not_all() {
        let mut recent = Recent::default();
        let ranges = i64::try_from(MOST_RANGES).unwrap();
        for index in 0..ranges {
            recent.learn(at(0), (index, index));
        }
        assert!(recent.unsettled(at(0)).1);
        recent.learn(at(1), (ranges, ranges));
        let (told, is_all) = recent.unsettled(at(1));
        assert_eq!((told.len(), is_all), (MOST_RANGES, false));
        assert!(!recent.unsettled(at(5)).1, "that which had no room is not settled yet");
        assert_eq!(recent.unsettled(at(6)), (vec![], true));
    }
}
