//! The threads that hash, and who may go to them: at most so many hashing, so many waiting, the rest turned away.
//!
//! Threads of our own, since the runtimes' blocking threads also serve the database. Callers may be on any runtime.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::Error;
use super::arena::Arena;
use super::observed::Observed;
use super::returns::Returns;
use crate::spans;

type Job = Box<dyn FnOnce(&mut Arena) + Send>;

/// A caller's place, in the queue or at a thread. It is free again when this is dropped.
pub(super) struct Place(OwnedSemaphorePermit);

/// Ends its threads when it is dropped; what they have begun they finish.
pub(super) struct Workers {
    jobs: SyncSender<Job>,
    /// A permit for each thread, held while it works for someone.
    turns: Arc<Semaphore>,
    /// A permit for each caller let in, whether waiting for a turn or having it.
    places: Arc<Semaphore>,
    threads: usize,
    capacity: usize,
    deadline: Duration,
    returns: Arc<Returns>,
    pub observed: Observed,
}

impl Workers {
    /// Starts a thread for each arena. `queue` may wait besides them, `deadline` long.
    pub fn start(arenas: Vec<Arena>, queue: usize, deadline: Duration) -> io::Result<Self> {
        let threads = arenas.len();
        let capacity = threads.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        // A job is sent only by who has a turn: there is always room, and sending never blocks.
        let (jobs, receiver) = sync_channel(threads);
        let receiver = Arc::new(Mutex::new(receiver));
        for (number, arena) in arenas.into_iter().enumerate() {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || work(&receiver, arena))?;
        }
        Ok(Self {
            jobs,
            turns: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(capacity)),
            threads,
            capacity,
            deadline,
            returns: Arc::new(Returns::new(threads)),
            observed: Observed::default(),
        })
    }

    /// Lets a caller in, who may do something else before it lines up.
    ///
    /// # Errors
    /// [`Error::Busy`] at once when the queue is full.
    pub fn admit(&self) -> Result<Place, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map(Place);
        place.map_err(|_| {
            self.observed.turned_away.count(|count| {
                tracing::warn!(
                    count,
                    queue = self.limits().1,
                    "answered busy: every place before the hashing threads is taken"
                );
            });
            self.busy()
        })
    }

    /// Runs `task` on one of the threads, first come, first served.
    ///
    /// Dropped before its turn, the future leaves the queue and `task` never runs. Dropped later, `task` runs to its
    /// end and the thread counts as taken until then.
    ///
    /// # Errors
    /// [`Error::Busy`] after the deadline; [`Error::Crashed`] when `task` panics.
    pub async fn run<T, F>(&self, place: Place, task: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Arena) -> T + Send + 'static,
    {
        self.run_unless(std::future::pending(), place, task).await
    }

    /// The same, but a caller of whom `gone` is told leaves the queue. One whose turn has come is served to the end: what was
    /// hashed counts, whoever still wants to know.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`Error::Busy`] for who has gone.
    pub async fn run_unless<T, F>(
        &self,
        gone: impl Future<Output = ()>,
        Place(place): Place,
        task: F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Arena) -> T + Send + 'static,
    {
        let began = Instant::now();
        let turn = async {
            tokio::select! {
                biased;
                () = gone => {
                    self.observed.left.count();
                    // Nobody reads it.
                    Err(Error::Busy { retry_after: Duration::ZERO })
                }
                turn = timeout(self.deadline, Arc::clone(&self.turns).acquire_owned()) => turn.map_err(|_| {
                    self.observed.timed_out.count(|count| {
                        tracing::warn!(count, deadline = ?self.deadline, "answered busy: no hashing thread was free in time");
                    });
                    self.busy()
                }),
            }
        };
        let turn = spans::within("password wait", turn).await;
        self.observed.waits.observe(began.elapsed());
        let turn = turn?.expect("the semaphore is never closed");
        let (answer, answered) = oneshot::channel();
        let returns = Arc::clone(&self.returns);
        let job: Job = Box::new(move |arena| {
            // Owned by the job, so that they come back when it ends, however it ends, and before the caller knows.
            let held = (place, turn);
            let began = Instant::now();
            let outcome = task(arena);
            returns.took(began.elapsed());
            drop(held);
            // A caller that has gone away has no use for it.
            let _ = answer.send(outcome);
        });
        self.jobs.send(job).map_err(|_| Error::Crashed)?;
        spans::within("password hash", answered).await.map_err(|_| Error::Crashed)
    }

    fn busy(&self) -> Error {
        Error::Busy { retry_after: self.returns.next(Instant::now()) }
    }

    pub fn hashing(&self) -> usize {
        self.threads - self.turns.available_permits()
    }

    /// How many may hash, and how many may wait besides.
    pub fn limits(&self) -> (usize, usize) {
        (self.threads, self.capacity - self.threads)
    }

    pub fn waiting(&self) -> usize {
        (self.capacity - self.places.available_permits()).saturating_sub(self.hashing())
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, mut arena: Arena) {
    give_way();
    loop {
        // The lock is held while waiting for a job and released before doing it.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A job that panics loses its own answer; a thread that died of it would be missing for ever. The arena holds
        // no state that the next job reads.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut arena)));
    }
}

/// How much a hashing thread gives way to others (`nice`): under a flood of logins it gets what they leave, which is nearly
/// all, and a refresh is answered in milliseconds. Still three times the weight of what is really in the background.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lets threads that answer requests go first. Linux has a niceness for each thread; elsewhere nothing is done.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "a hashing thread stays as urgent as the others");
    }
}
