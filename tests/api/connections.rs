//! The pool of connections to PostgreSQL: whose they are, how many there may be, and that none is lost.

use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use diesel::sql_types::Integer;
use diesel_async::RunQueryDsl as _;
use futures_util::future::{join_all, poll_immediate};
use signet::store::{Connection, Database, Error, Store};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::app::block_on;
use crate::support::cluster::{self, shared};

fn opened(url: &str, size: usize) -> Store {
    Store::open(Database::Postgres(url.to_owned()), size).unwrap()
}

/// So many connections to a database of their own, which ends with what it comes with; `None` where there is no PostgreSQL.
fn pool(size: usize) -> Option<(cluster::Database, Store)> {
    let database = shared()?.empty_database();
    let store = opened(database.url(), size);
    Some((database, store))
}

/// The server's process behind a connection, which tells one connection from another.
async fn process(connection: &mut Connection) -> i32 {
    let Connection::Postgres(connection) = connection else { panic!("PostgreSQL") };
    diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()")).get_result(&mut **connection).await.unwrap()
}

async fn any(store: &Store) -> i32 {
    process(&mut store.reading().await.unwrap()).await
}

/// Open, idle, and those that wait.
fn usage(store: &Store) -> (usize, usize, usize) {
    let usage = store.pool_usage()[0];
    (usage.open, usage.idle, usage.waiting)
}

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A thread whose runtime goes on between its jobs: what it opened is driven by it.
struct Worker(UnboundedSender<Job>);

impl Worker {
    fn start() -> Self {
        let (jobs, mut received) = unbounded_channel::<Job>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                while let Some(job) = received.recv().await {
                    job().await;
                }
            });
        });
        Self(jobs)
    }

    /// Begins a job, whose outcome is received.
    fn begin<T: Send + 'static>(&self, job: impl AsyncFnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (answer, answered) = channel();
        let job =
            move || Box::pin(async move { answer.send(job().await).unwrap() }) as Pin<Box<dyn Future<Output = ()>>>;
        self.0.send(Box::new(job)).unwrap();
        answered
    }

    fn run<T: Send + 'static>(&self, job: impl AsyncFnOnce() -> T + Send + 'static) -> T {
        self.begin(job).recv().unwrap()
    }
}

#[test]
fn a_thread_is_lent_its_own_connections_and_anothers_where_it_needs_more() {
    let Some((_database, store)) = pool(3) else { return };
    let workers = [Worker::start(), Worker::start()];
    let lent = |worker: &Worker| {
        let store = store.clone();
        worker.run(async move || any(&store).await)
    };
    let own = workers.each_ref().map(lent);
    assert_ne!(own[0], own[1]);
    for _ in 0..5 {
        assert_eq!(workers.each_ref().map(lent), own);
    }
    // Who needs two has the other's meanwhile, though there might be a third.
    let both = store.clone();
    let both = workers[0].run(async move || {
        let (mut first, mut second) = (both.reading().await.unwrap(), both.reading().await.unwrap());
        [process(&mut first).await, process(&mut second).await]
    });
    assert_eq!((both, usage(&store)), (own, (2, 2, 0)));
}

#[test]
fn a_thread_without_connections_gets_one_of_its_own_when_it_has_borrowed_for_long() {
    let Some((_database, store)) = pool(2) else { return };
    let [owner, borrower] = [Worker::start(), Worker::start()];
    let lent = |worker: &Worker, times: usize| {
        let store = store.clone();
        worker.run(async move || {
            for _ in 1..times {
                drop(store.reading().await.unwrap());
            }
            any(&store).await
        })
    };
    let both = store.clone();
    owner.run(async move || drop((both.reading().await.unwrap(), both.reading().await.unwrap())));
    assert_eq!(usage(&store), (2, 2, 0));
    let first = lent(&owner, 1);
    // What the owner goes on using does not come into it: the borrower has the other one.
    let mut borrowed = Vec::new();
    for _ in 0..10 {
        assert_eq!(lent(&owner, 1), first);
        borrowed.push(lent(&borrower, 100));
    }
    assert!(borrowed.iter().all(|process| *process == borrowed[0] && *process != first), "{borrowed:?}, {first}");
    let own = lent(&borrower, 1);
    assert!(own != borrowed[0] && own != first, "{own}, {borrowed:?}, {first}");
    assert_eq!((lent(&borrower, 2000), lent(&owner, 2000)), (own, first));
    assert_eq!(usage(&store), (2, 2, 0));
}

#[test]
fn there_are_never_more_than_there_may_be_and_all_who_wait_get_one() {
    let Some((_database, store)) = pool(3) else { return };
    let workers: Vec<_> = (0..4).map(|_| Worker::start()).collect();
    let begin = |worker: &Worker| {
        let store = store.clone();
        worker.begin(async move || {
            let use_it = async |_| {
                let mut seen = Vec::new();
                for _ in 0..10 {
                    let mut connection = store.reading().await.unwrap();
                    seen.push((process(&mut connection).await, store.pool_usage()[0]));
                }
                seen
            };
            join_all((0..10).map(use_it)).await.concat()
        })
    };
    let begun: Vec<_> = workers.iter().map(begin).collect();
    let seen: Vec<_> = begun.into_iter().flat_map(|seen| seen.recv().unwrap()).collect();
    assert_eq!(seen.len(), 400);
    assert!(seen.iter().all(|(_, usage)| usage.open <= 3 && usage.idle < 3), "{seen:?}");
    assert!(seen.iter().any(|(_, usage)| usage.waiting > 0), "they waited");
    let mut processes: Vec<_> = seen.iter().map(|(process, _)| *process).collect();
    processes.sort_unstable();
    processes.dedup();
    assert!(processes.len() <= 3, "{processes:?}");
    assert_eq!(usage(&store), (3, 3, 0));
}

#[test]
fn who_gives_up_waiting_takes_nothing_along() {
    let Some((_database, store)) = pool(1) else { return };
    block_on(async {
        let mut held = store.reading().await.unwrap();
        let first = process(&mut held).await;
        let mut waiting = Box::pin(store.reading());
        assert!(poll_immediate(&mut waiting).await.is_none());
        assert_eq!(usage(&store), (1, 0, 1));
        drop(waiting);
        assert_eq!(usage(&store), (1, 0, 0));
        // Somebody who was given it, and never looked.
        let mut waiting = Box::pin(store.reading());
        let mut patient = Box::pin(store.reading());
        assert!(poll_immediate(&mut waiting).await.is_none() && poll_immediate(&mut patient).await.is_none());
        drop(held);
        assert_eq!(usage(&store), (1, 0, 1));
        drop(waiting);
        assert_eq!(process(&mut patient.await.unwrap()).await, first);
        assert_eq!(usage(&store), (1, 1, 0));
    });
}

#[test]
fn as_many_wait_as_may_and_the_next_is_told_at_once() {
    let Some((_database, store)) = pool(1) else { return };
    block_on(async {
        let store = store.with_queue(2);
        let held = store.reading().await.unwrap();
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(store.reading())).collect();
        for one in &mut waiting {
            assert!(poll_immediate(one).await.is_none());
        }
        let refused = poll_immediate(Box::pin(store.reading())).await.unwrap().err().unwrap();
        assert!(
            matches!(&refused, Error::Unavailable(why) if why == "as many wait for a connection as may: 2"),
            "{refused:?}"
        );
        // A place that was given up is free again.
        drop(waiting.pop());
        let mut next = Box::pin(store.reading());
        assert!(poll_immediate(&mut next).await.is_none());
        drop(held);
        drop(waiting.pop().unwrap().await.unwrap());
        drop(next.await.unwrap());
        assert_eq!(usage(&store), (1, 1, 0));
    });
}

#[test]
fn a_connection_that_is_left_in_a_transaction_is_closed_and_its_room_goes_to_who_waits() {
    let Some((_database, store)) = pool(1) else { return };
    block_on(async {
        let before = any(&store).await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let mut left = Box::pin(store.transaction(async |_: &mut Connection| -> Result<(), Error> {
            begun.send(()).unwrap();
            std::future::pending().await
        }));
        tokio::select! {
            _ = &mut left => unreachable!("it never ends"),
            begun = has_begun => begun.unwrap(),
        }
        let mut waiting = Box::pin(store.reading());
        assert!(poll_immediate(&mut waiting).await.is_none());
        drop(left);
        assert_ne!(process(&mut waiting.await.unwrap()).await, before);
        assert_eq!(usage(&store), (1, 1, 0));
    });
}

#[test]
fn a_connection_that_is_not_had_takes_no_room() {
    block_on(async {
        // A port of nobody.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let store = opened(&format!("postgres://signet@127.0.0.1:{port}/signet"), 2);
        for _ in 0..5 {
            assert!(matches!(store.reading().await, Err(Error::Unavailable(_))));
        }
        assert_eq!(usage(&store), (0, 0, 0));
        let mut opening = Box::pin(store.reading());
        let _ = poll_immediate(&mut opening).await;
        drop(opening);
        assert_eq!(usage(&store), (0, 0, 0));
    });
}

#[test]
fn a_server_that_takes_no_writes_from_who_comes_anew_is_left_by_all() {
    let Some((_database, store)) = pool(2) else { return };
    let [first, second] = [Worker::start(), Worker::start()];
    let held = store.clone();
    first.run(async move || {
        let Connection::Postgres(mut connection) = held.reading().await.unwrap() else { panic!("PostgreSQL") };
        let fence = "DO $$ BEGIN EXECUTE
            format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
        diesel::sql_query(fence).execute(&mut *connection).await.unwrap();
    });
    assert_eq!(usage(&store), (1, 1, 0));
    let anew = store.clone();
    let refused = second.run(async move || anew.reading().await.err());
    assert!(matches!(&refused, Some(Error::Unavailable(why)) if why.contains("does not allow writes")), "{refused:?}");
    assert_eq!(usage(&store), (0, 0, 0));
}

#[test]
fn idle_connections_are_forgotten_and_those_in_use_come_back() {
    let Some((_database, store)) = pool(2) else { return };
    block_on(async {
        let (mut held, idle) = (store.reading().await.unwrap(), store.reading().await.unwrap());
        let kept = process(&mut held).await;
        drop(idle);
        assert_eq!(usage(&store), (2, 1, 0));
        store.forget_idle_connections();
        assert_eq!(usage(&store), (1, 0, 0));
        drop(held);
        assert_eq!((any(&store).await, usage(&store)), (kept, (1, 1, 0)));
    });
}
