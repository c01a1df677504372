//! The pool of PostgreSQL, whose connections stay near those who use them.
//!
//! A connection's socket is read and written by a task of the thread that opened it. Used from another thread, each statement
//! wakes two threads more. So a thread has one of its own as long as there may be more; is lent its own first, then another's
//! that lies idle; and opens one where none does. Where all are lent and there may be no more, one that comes back goes to
//! who waits on its own thread, unless somebody has waited for long.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::PoolableConnection as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::queue::Queue;
use super::target::Target;
use super::trust::Trust;
use super::usage::PoolUsage;
use crate::store::Error;

/// How long a request waits for a connection before it is answered 503.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// Who has waited for so long gets the next connection, wherever that lives.
const LONG: Duration = Duration::from_millis(20);

/// After so many loans in a row to other threads a connection is closed, and one is opened where it would have been used.
const STRANGERS: u32 = 1000;

/// Connections to one database, at most so many at a time. None is opened before it is asked for.
#[derive(Clone)]
pub struct Near(Arc<Pool>);

struct Pool {
    target: Target,
    /// How long it takes at most to learn that no connection can be had.
    patience: Duration,
    trust: Trust,
    most: usize,
    shelf: Mutex<Shelf>,
}

/// Whoever waits does so because `most` are open and none is idle.
#[derive(Default)]
struct Shelf {
    /// Lent to nobody: in front those of threads that did without them lately, at the end what came back last.
    idle: VecDeque<Box<Opened>>,
    /// Those that are open, and those that are being opened.
    open: usize,
    /// For each thread something that all of its connections hold.
    homes: HashMap<ThreadId, Arc<()>>,
    queue: VecDeque<Waiting>,
}

struct Opened {
    connection: AsyncPgConnection,
    at: Instant,
    home: ThreadId,
    _of_home: Arc<()>,
    strangers: u32,
}

struct Waiting {
    thread: ThreadId,
    since: Instant,
    turn: oneshot::Sender<Turn>,
}

/// What somebody gets who asks for a connection.
enum Turn {
    Lent(Lent),
    /// To open one.
    Room(Room),
}

enum Asked {
    Had(Turn),
    Queued(oneshot::Receiver<Turn>),
}

/// A connection on loan. It goes back by itself.
pub struct Lent {
    /// `None` only while it is dropped.
    opened: Option<Box<Opened>>,
    pool: Arc<Pool>,
}

/// Room for one more connection, counted as open. Free again where nothing comes of it, also when nobody waits any more.
struct Room(Option<Arc<Pool>>);

impl Near {
    pub fn new(target: Target, most: usize) -> Self {
        // Each of several hosts has its time, so that one that is gone is no reason to give up.
        let patience = target.patience().max(WAIT);
        Self(Arc::new(Pool { target, patience, trust: Trust::default(), most, shelf: Mutex::default() }))
    }

    /// A connection, unless as many wait for one already as `queue` lets in.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where none can be opened, or none comes back in time.
    pub async fn get(&self, queue: Queue) -> Result<Lent, Error> {
        let here = thread::current().id();
        let turn = match self.0.ask(here, queue)? {
            Asked::Had(turn) => turn,
            Asked::Queued(turn) => {
                let late = |_| Error::Unavailable(format!("no connection came back within {WAIT:?}"));
                timeout(WAIT, turn).await.map_err(late)?.expect("who waits is told by who gives back")
            }
        };
        match turn {
            Turn::Lent(lent) => Ok(lent),
            // Apart: it is rare, and takes kilobytes.
            Turn::Room(room) => Box::pin(self.0.open(here, room)).await,
        }
    }

    /// Closes the idle connections, so that the next ones are new.
    pub fn forget_idle(&self) {
        let mut shelf = self.0.shelf();
        shelf.open -= shelf.idle.len();
        let idle = std::mem::take(&mut shelf.idle);
        drop((shelf, idle));
    }

    pub fn usage(&self) -> PoolUsage {
        let shelf = self.0.shelf();
        let waiting = shelf.queue.iter().filter(|waiting| !waiting.turn.is_closed()).count();
        PoolUsage { name: "postgresql", most: self.0.most, open: shelf.open, idle: shelf.idle.len(), waiting }
    }
}

impl Pool {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, here: ThreadId, queue: Queue) -> Result<Asked, Error> {
        // Closed when the lock is free again.
        let mut useless = Vec::new();
        let room = || Ok(Asked::Had(Turn::Room(Room(Some(Arc::clone(self))))));
        let mut shelf = self.shelf();
        loop {
            let own = shelf.idle.iter().rposition(|opened| opened.home == here);
            if own.is_none() && shelf.open < self.most && (shelf.idle.is_empty() || !shelf.is_home(here)) {
                shelf.open += 1;
                return room();
            }
            // Of others the one that has lain longest: its own thread does without it.
            let Some(mut opened) = shelf.idle.remove(own.unwrap_or_default()) else { break };
            if opened.connection.is_broken() {
                shelf.open -= 1;
                useless.push(opened);
            } else if own.is_none() && opened.strangers >= STRANGERS {
                useless.push(opened);
                return room();
            } else {
                return Ok(Asked::Had(Turn::Lent(Lent::of(self, opened, here))));
            }
        }
        if queue.admit(shelf.queue.len()).is_err() {
            shelf.queue.retain(|waiting| !waiting.turn.is_closed());
            queue.admit(shelf.queue.len())?;
        }
        let (turn, told) = oneshot::channel();
        shelf.queue.push_back(Waiting { thread: here, since: Instant::now(), turn });
        Ok(Asked::Queued(told))
    }

    async fn open(self: &Arc<Self>, here: ThreadId, mut room: Room) -> Result<Lent, Error> {
        let opening = self.target.clone().connect(Some(self.trust.clone()));
        let opening = timeout(self.patience, opening).await;
        let connection = opening.map_or_else(
            |_| Err("the database does not answer in time".to_owned()),
            |opened| opened.map_err(|error| error.to_string()),
        );
        let connection = connection.map_err(|why| {
            // It may be that the servers take no writes any more, and say so to who comes anew.
            drop(self.swept(self.trust.lost()));
            Error::Unavailable(why)
        })?;
        room.0 = None;
        let of_home = Arc::clone(self.shelf().homes.entry(here).or_default());
        let opened = Opened { connection, at: Instant::now(), home: here, _of_home: of_home, strangers: 0 };
        Ok(Lent::of(self, Box::new(opened), here))
    }

    /// Takes out what leads to a server that was lost: all of it at once, for one that nobody is lent stays connected.
    fn swept(&self, lost: Option<Instant>) -> VecDeque<Box<Opened>> {
        let mut shelf = self.shelf();
        let (swept, kept) = shelf.idle.drain(..).partition(|opened| Some(opened.at) <= lost);
        shelf.idle = kept;
        shelf.open -= swept.len();
        swept
    }

    /// Takes a connection back: for who waits, or for later.
    fn take_back(self: &Arc<Self>, mut opened: Box<Opened>) {
        loop {
            let mut shelf = self.shelf();
            let Some(next) = shelf.next(Some(opened.home)) else { return shelf.keep(opened) };
            drop(shelf);
            let Err(Turn::Lent(mut refused)) = next.turn.send(Turn::Lent(Lent::of(self, opened, next.thread))) else {
                return;
            };
            opened = refused.opened.take().expect("it was lent a moment ago");
        }
    }

    /// The room of a connection that is no more.
    fn give_room(self: Arc<Self>) {
        loop {
            let mut shelf = self.shelf();
            let Some(next) = shelf.next(None) else { return shelf.open -= 1 };
            drop(shelf);
            let Err(Turn::Room(mut refused)) = next.turn.send(Turn::Room(Room(Some(Arc::clone(&self))))) else {
                return;
            };
            refused.0 = None;
        }
    }
}

impl Shelf {
    /// Whether the thread has a connection of its own, lent or not.
    fn is_home(&self, thread: ThreadId) -> bool {
        self.homes.get(&thread).is_some_and(|home| Arc::strong_count(home) > 1)
    }

    /// One that was lent to a stranger is for the next stranger, too, so that it moves in the end.
    fn keep(&mut self, opened: Box<Opened>) {
        if opened.strangers > 0 {
            self.idle.push_front(opened);
        } else {
            self.idle.push_back(opened);
        }
    }

    /// Whose turn it is when a connection of the thread `home` comes back.
    fn next(&mut self, home: Option<ThreadId>) -> Option<Waiting> {
        while self.queue.front().is_some_and(|first| first.turn.is_closed()) {
            self.queue.pop_front();
        }
        let near = self.queue.iter().position(|waiting| Some(waiting.thread) == home);
        let is_due = self.queue.front()?.since.elapsed() >= LONG;
        self.queue.remove(near.filter(|_| !is_due).unwrap_or_default())
    }
}

impl Lent {
    fn of(pool: &Arc<Pool>, mut opened: Box<Opened>, thread: ThreadId) -> Self {
        opened.strangers = if opened.home == thread { 0 } else { opened.strangers + 1 };
        Self { opened: Some(opened), pool: Arc::clone(pool) }
    }
}

impl Deref for Lent {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.opened.as_ref().expect("it is lent").connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.opened.as_mut().expect("it is lent").connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut opened) = self.opened.take() else { return };
        // One that is dropped in a transaction counts as broken: what it did is undone when it closes.
        let lost = self.pool.trust.lost();
        let is_usable = !opened.connection.is_broken() && Some(opened.at) > lost;
        if thread::panicking() || !is_usable {
            // It may be the one that heard of it.
            drop((opened, self.pool.swept(lost)));
            Arc::clone(&self.pool).give_room();
        } else {
            self.pool.take_back(opened);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.give_room();
        }
    }
}

#[cfg(test)]
mod tests;
