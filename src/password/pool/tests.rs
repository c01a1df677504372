//! The pool under load, and what each answer costs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, poll_immediate};

use super::*;
use crate::password::Malformed;

const HOUR: Duration = Duration::from_secs(3600);
/// What the first is told that a pool of one thread turns away.
const BUSY: Error = Error::Busy { retry_after: Duration::from_millis(16) };

fn small() -> Parameters {
    Parameters::new(16, 1, 1).unwrap()
}

fn pool(workers: usize, queue: usize, deadline: Duration) -> Arc<Pool> {
    let settings = PoolSettings { workers, queue, deadline, parameters: small(), breached: None };
    Arc::new(Pool::new(&settings, Entropy::seeded(1)).unwrap())
}

fn secret(value: &str) -> Secret {
    Secret::new(value)
}

/// Occupies a worker until the returned end is dropped.
fn occupy(pool: &Arc<Pool>) -> Sender<()> {
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let (started, has_started) = channel();
    let pool = Arc::clone(pool);
    tokio::spawn(async move {
        let task = move |_: &mut Arena| {
            started.send(()).unwrap();
            let _ = released.recv();
        };
        pool.workers.run(pool.workers.admit().unwrap(), task).await
    });
    // The worker is a thread of its own, but the task above has to reach it through this runtime.
    tokio::task::block_in_place(|| has_started.recv().unwrap());
    release
}

/// Waits for what another thread is about to do.
fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never happened");
        thread::yield_now();
    }
}

#[tokio::test]
async fn the_right_password_verifies_and_a_wrong_one_does_not() {
    let pool = pool(1, 8, HOUR);
    let hash = pool.hash(secret("caf\u{e9} \0 velvet")).await.unwrap();
    let verdict = async |typed: &str| pool.verify(secret(typed), Some(hash.clone())).await.unwrap();
    assert_eq!(verdict("caf\u{e9} \0 velvet").await, Verdict::Right { rehash: None });
    assert_eq!(verdict("cafe\u{301} \0 velvet").await, Verdict::Right { rehash: None });
    for wrong in ["cafe \0 velvet", "caf\u{e9} \0 Velvet", "caf\u{e9} \0 velvet ", "caf\u{e9} ", ""] {
        assert_eq!(verdict(wrong).await, Verdict::Wrong, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_password_of_4_kilobytes_is_refused_before_hashing_for_every_user() {
    let pool = pool(1, 8, HOUR);
    let hash = pool.hash(secret("velvet otter piano")).await.unwrap();
    let before = pool.computations();
    for stored in [Some(hash), None] {
        assert_eq!(pool.verify(secret(&"x".repeat(4096)), stored).await, Err(Error::TooLong));
    }
    assert_eq!(pool.hash(secret(&"x".repeat(1025))).await, Err(Error::TooLong));
    assert_eq!(pool.computations(), before);
}

#[tokio::test]
async fn an_unknown_user_and_a_malformed_hash_cost_what_a_known_user_costs() {
    let pool = pool(1, 8, HOUR);
    let hash = pool.hash(secret("velvet otter piano")).await.unwrap();
    let mut costs = Vec::new();
    let malformed = PasswordHash::from_stored("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAA".to_owned());
    for (typed, stored) in
        [("velvet otter piano", Some(hash.clone())), ("wrong", Some(hash)), ("wrong", None), ("wrong", Some(malformed))]
    {
        let before = pool.computations();
        let verdict = pool.verify(secret(typed), stored).await;
        costs.push((pool.computations() - before, verdict.map_err(|error| matches!(error, Error::Malformed(_)))));
    }
    let right = Verdict::Right { rehash: None };
    assert_eq!(costs, [(1, Ok(right)), (1, Ok(Verdict::Wrong)), (1, Ok(Verdict::Wrong)), (1, Err(true))]);
}

#[tokio::test]
async fn a_malformed_hash_is_an_error_that_names_the_fault() {
    let stored = PasswordHash::from_stored("$argon2i$v=19$m=16,t=1,p=1$c29tZXNhbHQ$AAAA".to_owned());
    let verdict = pool(1, 8, HOUR).verify(secret("x"), Some(stored)).await;
    assert!(matches!(verdict, Err(Error::Malformed(Malformed::Syntax(_)))), "{verdict:?}");
}

#[tokio::test]
async fn a_right_password_with_other_parameters_is_hashed_anew_and_a_wrong_one_is_not() {
    let stronger = Parameters::new(64, 2, 1).unwrap();
    let settings = PoolSettings { workers: 1, queue: 0, deadline: HOUR, parameters: stronger, breached: None };
    let hash = Pool::new(&settings, Entropy::seeded(2)).unwrap().hash(secret("velvet otter piano")).await.unwrap();
    let pool = pool(1, 8, HOUR);
    assert_eq!(pool.verify(secret("wrong"), Some(hash.clone())).await, Ok(Verdict::Wrong));
    assert_eq!(pool.computations(), 1);
    let verdict = pool.verify(secret("velvet otter piano"), Some(hash)).await.unwrap();
    let Verdict::Right { rehash: Some(rehash) } = verdict else { panic!("{verdict:?}") };
    assert!(rehash.as_str().contains("$m=16,t=1,p=1$"));
    assert_eq!(pool.computations(), 3);
    let again = pool.verify(secret("velvet otter piano"), Some(rehash)).await;
    assert_eq!(again, Ok(Verdict::Right { rehash: None }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_answers_busy_at_once() {
    let pool = pool(1, 1, HOUR);
    let release = occupy(&pool);
    let mut waiting = Box::pin(pool.verify(secret("x"), None));
    assert_eq!(poll_immediate(&mut waiting).await, None);
    assert_eq!((pool.hashing(), pool.waiting()), (1, 1));
    assert_eq!(poll_immediate(Box::pin(pool.verify(secret("x"), None))).await, Some(Err(BUSY)));
    let another = poll_immediate(Box::pin(pool.hash(secret("x")))).await;
    assert!(matches!(another, Some(Err(Error::Busy { .. }))), "{another:?}");
    drop(release);
    assert_eq!(waiting.await, Ok(Verdict::Wrong));
    assert_eq!((pool.hashing(), pool.waiting()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_longer_than_the_deadline_is_told_busy_and_is_not_hashed() {
    let pool = pool(1, 1, Duration::from_millis(1));
    let release = occupy(&pool);
    let begun = Instant::now();
    assert_eq!(pool.verify(secret("x"), None).await, Err(BUSY));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(pool.waiting(), 0);
    drop(release);
    assert_eq!(pool.computations(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_before_its_turn_frees_its_place_and_is_never_hashed() {
    let pool = pool(1, 1, HOUR);
    let release = occupy(&pool);
    let mut leaving = Box::pin(pool.verify(secret("x"), None));
    assert_eq!(poll_immediate(&mut leaving).await, None);
    drop(leaving);
    assert_eq!(pool.waiting(), 0);
    let mut staying = Box::pin(pool.verify(secret("x"), None));
    assert_eq!(poll_immediate(&mut staying).await, None, "the place is free again");
    drop(release);
    assert_eq!(staying.await, Ok(Verdict::Wrong));
    assert_eq!(pool.computations(), 1);
}

#[tokio::test]
async fn a_password_that_is_let_in_keeps_its_place_until_it_is_verified_or_given_up() {
    let pool = pool(1, 0, HOUR);
    let admitted = pool.admit(&secret("x")).unwrap();
    assert_eq!(pool.admit(&secret("x")).err(), Some(BUSY));
    drop(admitted);
    assert_eq!(pool.computations(), 0);
    assert_eq!(pool.admit(&secret("x")).unwrap().verify(None, std::future::pending()).await, Ok(Verdict::Wrong));
    assert_eq!(pool.admit(&secret(&"x".repeat(1025))).err(), Some(Error::TooLong));
}

#[tokio::test]
async fn a_caller_that_leaves_during_its_turn_keeps_the_worker_taken_until_the_end() {
    let pool = pool(1, 0, HOUR);
    let (release, released) = channel::<()>();
    let (ended, has_ended) = channel();
    let task = move |_: &mut Arena| {
        let _ = released.recv();
        ended.send(()).unwrap();
    };
    let mut leaving = Box::pin(pool.workers.run(pool.workers.admit().unwrap(), task));
    assert_eq!(poll_immediate(&mut leaving).await, None);
    drop(leaving);
    assert_eq!(pool.hashing(), 1);
    assert_eq!(poll_immediate(Box::pin(pool.verify(secret("x"), None))).await, Some(Err(BUSY)));
    drop(release);
    has_ended.recv().unwrap();
    until(|| pool.hashing() == 0);
    assert_eq!(pool.verify(secret("x"), None).await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn many_at_once_use_no_more_memory_than_the_workers_have() {
    let pool = pool(2, 62, HOUR);
    let verdicts = join_all((0..64).map(|_| pool.verify(secret("x"), None))).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Ok(Verdict::Wrong)));
    assert_eq!(pool.computations(), 64);
    assert!((1..=2).contains(&pool.tally.allocations()), "{} blocks", pool.tally.allocations());
}

#[test]
fn one_pool_serves_several_runtimes() {
    let pool = pool(2, 64, HOUR);
    let verify = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(join_all((0..8).map(|_| pool.verify(secret("x"), None))))
    };
    thread::scope(|scope| {
        let runtimes: Vec<_> = (0..4).map(|_| scope.spawn(verify)).collect();
        for runtime in runtimes {
            assert!(runtime.join().unwrap().iter().all(|verdict| *verdict == Ok(Verdict::Wrong)));
        }
    });
    assert_eq!(pool.computations(), 32);
}

#[tokio::test]
async fn a_job_that_panics_costs_its_answer_and_not_the_worker() {
    let pool = pool(1, 0, HOUR);
    for _ in 0..3 {
        assert_eq!(
            pool.workers.run::<(), _>(pool.workers.admit().unwrap(), |_| panic!("on purpose")).await,
            Err(Error::Crashed)
        );
    }
    assert_eq!(pool.verify(secret("x"), None).await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn a_dropped_pool_ends_its_threads() {
    let pool = pool(2, 0, HOUR);
    assert_eq!(pool.verify(secret("x"), None).await, Ok(Verdict::Wrong));
    let held_by_threads = Arc::downgrade(&pool.tally);
    drop(pool);
    until(|| held_by_threads.upgrade().is_none());
}
