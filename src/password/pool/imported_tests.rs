//! Imported hashes on the pool: which form of a password is tried, what each answer costs, what comes in their place.

use std::time::Duration;

use super::*;

const BCRYPT: &str = "$2a$04$abcdefghijklmnopqrstuuW8MkzwWh5wBYyvl6DFGFz/xef4gcevq";
const SSHA: &str = "{SSHA}To6WOWqrY1a5xu27gn+xgxWcvF9zYWx0eXNhbHR5c2FsdHkh";
/// What both were made of.
const TYPED: &str = "Grüße, Welt";
/// SHA-1 of the same with its letters taken apart, and "salt": from Python's hashlib.
const DECOMPOSED: &str = "{SSHA}+ynolTMvX6PFJTer2aiUK7QbB45zYWx0";

fn pool() -> Pool {
    let parameters = Parameters::new(16, 1, 1).unwrap();
    let settings =
        PoolSettings { workers: 1, queue: 8, deadline: Duration::from_secs(3600), parameters, breached: None };
    Pool::new(&settings, Entropy::seeded(1)).unwrap()
}

fn foreign(text: &str) -> ForeignHash {
    ForeignHash::read(text).unwrap()
}

async fn verify(pool: &Pool, typed: &str, stored: &PasswordHash) -> Verdict {
    pool.verify(Secret::new(typed), Some(stored.clone())).await.unwrap()
}

#[track_caller]
fn rehash(verdict: Verdict) -> PasswordHash {
    let Verdict::Right { rehash: Some(rehash) } = verdict else { panic!("{verdict:?}") };
    assert!(rehash.as_str().starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{}", rehash.as_str());
    rehash
}

#[tokio::test]
async fn a_right_password_is_hashed_anew_and_the_new_hash_has_it_whole() {
    let pool = pool();
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
    let legacy = foreign("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui");
    for stored in [legacy.stored(), pool.wrap(legacy).await.unwrap()] {
        let other_end = format!("{}another end", &long[..72]);
        rehash(verify(&pool, &other_end, &stored).await);
        let new = rehash(verify(&pool, long, &stored).await);
        assert_eq!(verify(&pool, &other_end, &new).await, Verdict::Wrong);
        assert_eq!(verify(&pool, long, &new).await, Verdict::Right { rehash: None });
    }
}

#[tokio::test]
async fn a_password_is_tried_as_it_was_typed_and_then_composed() {
    let pool = pool();
    let apart = "Gru\u{308}ße, Welt";
    for (made_of_composed, text) in [(true, BCRYPT), (true, SSHA), (false, DECOMPOSED)] {
        for stored in [foreign(text).stored(), pool.wrap(foreign(text)).await.unwrap()] {
            rehash(verify(&pool, apart, &stored).await);
            let composed = verify(&pool, TYPED, &stored).await;
            assert_eq!(composed != Verdict::Wrong, made_of_composed, "{text}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_costs_a_hash_of_ours_whatever_the_scheme() {
    let pool = pool();
    let wrapped = pool.wrap(foreign(SSHA)).await.unwrap();
    for stored in [foreign(BCRYPT).stored(), foreign(SSHA).stored(), wrapped] {
        for wrong in ["wrong", "Grüße, Welt ", ""] {
            let before = pool.computations();
            assert_eq!(verify(&pool, wrong, &stored).await, Verdict::Wrong);
            assert_eq!(pool.computations() - before, 1, "{}", stored.as_str());
        }
    }
}

#[tokio::test]
async fn what_was_imported_and_is_damaged_is_an_error_and_costs_a_hash() {
    let pool = pool();
    let wrapped = pool.wrap(foreign(SSHA)).await.unwrap();
    for whole in [foreign(SSHA).stored(), wrapped] {
        for damaged in [whole.as_str().replace("ssha", "shsa"), whole.as_str().replace("ssha$", "ssha$$")] {
            let before = pool.computations();
            let verdict = pool.verify(Secret::new(TYPED), Some(PasswordHash::from_stored(damaged))).await;
            assert_eq!(verdict, Err(Error::Malformed(crate::password::Malformed::Imported)));
            assert_eq!(pool.computations() - before, 1);
        }
    }
}
