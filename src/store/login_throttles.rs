//! Counting password logins before anything is hashed. Taking a slot is one statement a counter, guarded by its block:
//! the database decides how many of those that come at once get one, whichever instance they come to.
//!
//! What is counted, and how many are allowed, is decided in `oauth/login_throttle.rs`.

use chrono::{DateTime, Duration, Utc};
use diesel::dsl::{case_when, max};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use super::backend::{Prepare as _, on, surrounded, unflushed};
use super::schema::login_throttles;
use super::{Connection, Error, Store};

/// One counter, and how many attempts it allows before it blocks.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Slot {
    pub key: Vec<u8>,
    pub allowed: i64,
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn set_config(name: Text, value: Text, is_local: Bool) -> Text;
}

/// When it is, and how long things last.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub now: DateTime<Utc>,
    /// After the last attempt, or its block, until the counter begins anew.
    pub window: Duration,
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

/// A slot that was taken, as the counter then stood.
#[derive(Clone, Debug, Queryable)]
pub struct Taken {
    pub key: Vec<u8>,
    pub attempts: i64,
    blocked_until: i64,
}

impl Taken {
    /// Whether this attempt was the last that is allowed, so that the next ones wait.
    pub fn blocks(&self, pace: &Pace) -> bool {
        self.blocked_until > pace.now.timestamp_micros()
    }
}

#[derive(Clone, Insertable)]
#[diesel(table_name = login_throttles)]
struct Row {
    key: Vec<u8>,
    attempts: i64,
    allowed: i64,
    pause: i64,
    blocked_until: i64,
    forgotten_at: i64,
}

impl Row {
    /// The first attempt of a counter.
    fn first(slot: &Slot, pace: &Pace) -> Self {
        let last = slot.allowed <= 1;
        let (now, first) = (pace.now.timestamp_micros(), micros(pace.first_pause));
        let blocked_until = if last { now + first } else { OPEN };
        Self {
            key: slot.key.clone(),
            attempts: 1,
            allowed: slot.allowed,
            pause: if last { (2 * first).min(micros(pace.longest_pause)) } else { first },
            blocked_until,
            forgotten_at: now.max(blocked_until) + micros(pace.window),
        }
    }
}

/// The end of no block. Not the time of the last attempt: the next to come may have looked at the clock before it did, or be
/// with an instance whose clock is behind, and is to be let in all the same.
const OPEN: i64 = 0;

fn micros(duration: Duration) -> i64 {
    duration.num_microseconds().unwrap_or(i64::MAX / 4)
}

const KEPT: (login_throttles::key, login_throttles::attempts, login_throttles::blocked_until) =
    (login_throttles::key, login_throttles::attempts, login_throttles::blocked_until);

/// Counts an attempt at each of the slots, in the order of their keys, except at those that are blocked: they stay as they
/// are. In one statement of PostgreSQL, in one transaction of SQLite.
///
/// Seen by everybody at once, but not flushed to disk for its own sake: a database that crashes forgets the attempts of its
/// last moments, and a login waits for the disk once, not twice.
///
/// # Panics
/// With a number of slots other than one or three, for which PostgreSQL has its statement prepared.
pub async fn take(store: &Store, slots: &[Slot], pace: &Pace) -> Result<Vec<Taken>, Error> {
    use diesel::query_dsl::methods::FilterDsl;
    use login_throttles as t;

    let now = pace.now.timestamp_micros();
    let (window, longest) = (micros(pace.window), micros(pace.longest_pause));
    macro_rules! upsert {
        ($rows:expr) => {{
            let is_forgotten = || t::forgotten_at.le(now);
            let is_within = || (t::attempts + 1).lt(excluded(t::allowed));
            let doubled = case_when((t::pause * 2).gt(longest), longest.into_sql::<BigInt>()).otherwise(t::pause * 2);
            let counted = diesel::insert_into(t::table).values($rows).on_conflict(t::key).do_update().set((
                t::attempts.eq(case_when(is_forgotten(), excluded(t::attempts)).otherwise(t::attempts + 1)),
                t::allowed.eq(excluded(t::allowed)),
                t::pause
                    .eq(case_when(is_forgotten(), excluded(t::pause)).when(is_within(), t::pause).otherwise(doubled)),
                t::blocked_until.eq(case_when(is_forgotten(), excluded(t::blocked_until))
                    .when(is_within(), OPEN.into_sql::<BigInt>())
                    .otherwise(t::pause + now)),
                t::forgotten_at.eq(case_when(is_forgotten(), excluded(t::forgotten_at))
                    .when(is_within(), (now + window).into_sql::<BigInt>())
                    .otherwise(t::pause + (now + window))),
            ));
            FilterDsl::filter(counted, t::blocked_until.le(now))
        }};
    }
    let mut rows: Vec<Row> = slots.iter().map(|slot| Row::first(slot, pace)).collect();
    // In one order everywhere, so that two statements do not wait for each other in turn.
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    // In effect until the end of the statement's own transaction.
    let returned = (KEPT, set_config("synchronous_commit", "off", true));
    let taken: Vec<(Taken, String)> = match &mut store.writing().await? {
        // Arrays: a statement of as many rows as come would be prepared anew each time.
        Connection::Postgres(object) => match <[Row; 3]>::try_from(rows) {
            Ok(three) => surrounded!(&mut **object, c => upsert!(three).returning(returned).prepared().get_results(c))?,
            Err(rows) => {
                let one: [Row; 1] = rows.try_into().ok().expect("one slot or three");
                surrounded!(&mut **object, c => upsert!(one).returning(returned).prepared().get_results(c))?
            }
        },
        Connection::Sqlite(object) => {
            return unflushed(object, move |c| {
                let take = |row| diesel::RunQueryDsl::get_results(upsert!(row).returning(KEPT).prepared(), &mut *c);
                let taken: Vec<Vec<Taken>> = rows.into_iter().map(take).collect::<Result<_, _>>()?;
                Ok(taken.concat())
            })
            .await;
        }
    };
    Ok(taken.into_iter().map(|(taken, _)| taken).collect())
}

/// Gives a slot back: its attempt turned out right, or was not looked at. A block that there would not be without it ends,
/// and the next one is no longer than this one was: logins that are all right may reach the limit together, again and again.
pub async fn give_back(connection: &mut Connection, taken: &Taken) -> Result<(), Error> {
    use login_throttles as t;
    let is_blocked = || t::blocked_until.ne(OPEN);
    // With one attempt less the counter had not come to its limit. Beyond it each attempt has a block of its own.
    let needs_it = || t::attempts.le(t::allowed).or(t::blocked_until.eq(taken.blocked_until));
    let given = diesel::update(t::table.find(&taken.key)).filter(t::attempts.gt(0)).set((
        t::attempts.eq(t::attempts - 1),
        t::blocked_until.eq(case_when(needs_it(), OPEN.into_sql::<BigInt>()).otherwise(t::blocked_until)),
        t::pause.eq(case_when(is_blocked().and(needs_it()), t::pause / 2).otherwise(t::pause)),
    ));
    let given = given.prepared();
    on!(connection, c => given.execute(c))?;
    Ok(())
}

/// Until when the longest of these blocks lasts, if any does at `now`.
pub async fn blocked_until(
    connection: &mut Connection,
    keys: Vec<Vec<u8>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let blocked = login_throttles::table
        .filter(login_throttles::key.eq_any(keys))
        .filter(login_throttles::blocked_until.gt(now.timestamp_micros()))
        .select(max(login_throttles::blocked_until))
        .prepared();
    let longest: Option<i64> = on!(connection, c => blocked.get_result(c))?;
    Ok(longest.and_then(DateTime::from_timestamp_micros))
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Integer;
    use diesel_async::RunQueryDsl as _;
    use tempfile::TempDir;

    use super::*;
    use crate::store::Database;

    #[derive(diesel::QueryableByName)]
    struct Synchronous {
        #[diesel(sql_type = Integer)]
        synchronous: i32,
    }

    /// 2 is FULL.
    async fn synchronous(store: &Store) -> i32 {
        let Connection::Sqlite(mut object) = store.writing().await.unwrap() else { panic!("it is SQLite") };
        let row: Synchronous = diesel::sql_query("PRAGMA synchronous").get_result(&mut *object).await.unwrap();
        row.synchronous
    }

    async fn opened() -> (TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Database::Sqlite(folder.path().join("signet.db")), 2).unwrap();
        store.migrate().await.unwrap();
        (folder, store)
    }

    const FIRST_PAUSE: Duration = Duration::seconds(30);

    fn now() -> DateTime<Utc> {
        "2026-11-24T21:00:00Z".parse().unwrap()
    }

    fn at(seconds: i64) -> Pace {
        let (window, longest_pause) = (Duration::hours(1), Duration::hours(1));
        Pace { now: now() + Duration::seconds(seconds), window, first_pause: FIRST_PAUSE, longest_pause }
    }

    #[tokio::test]
    async fn an_attempt_by_a_slower_clock_is_let_in_after_one_by_a_faster_clock() {
        let (_folder, store) = opened().await;
        let slots = [Slot { key: vec![1], allowed: 4 }];
        for (attempt, behind) in [0, 2, 1].into_iter().enumerate() {
            let pace = at(-behind);
            let taken = take(&store, &slots, &pace).await.unwrap();
            assert!(taken.len() == 1 && !taken[0].blocks(&pace), "{attempt}: {taken:?}");
        }
        let pace = at(0);
        assert!(take(&store, &slots, &pace).await.unwrap()[0].blocks(&pace));
        assert!(take(&store, &slots, &pace).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_block_that_a_right_login_ends_leaves_the_next_one_as_long_as_it_was() {
        let (_folder, store) = opened().await;
        let slots = [Slot { key: vec![1], allowed: 3 }];
        let take = async |seconds| take(&store, &slots, &at(seconds)).await.unwrap().pop();
        let give_back = async |taken: &Taken| give_back(&mut store.writing().await.unwrap(), taken).await.unwrap();
        let end = async || blocked_until(&mut store.reading().await.unwrap(), vec![vec![1]], now()).await.unwrap();

        // Three at once, all right: whichever is done first makes room for another, and that one blocks again.
        let mut at_once = [take(0).await.unwrap(), take(0).await.unwrap(), take(0).await.unwrap()];
        for number in 0..12 {
            assert_eq!(end().await, Some(now() + FIRST_PAUSE), "{number}");
            assert!(take(0).await.is_none(), "{number}");
            give_back(&at_once[number % 3]).await;
            assert_eq!(end().await, None, "{number}");
            at_once[number % 3] = take(0).await.unwrap();
        }
        // These three are wrong, and so is each that comes when a block is over: every block is twice as long.
        let fourth = take(30).await.unwrap();
        assert_eq!(end().await, Some(now() + Duration::seconds(30 + 60)));
        let fifth = take(90).await.unwrap();
        assert_eq!(end().await, Some(now() + Duration::seconds(90 + 120)));
        // An attempt from before that is right ends no block of another. Its own it ends, and no time is made of none.
        give_back(&fourth).await;
        assert_eq!(end().await, Some(now() + Duration::seconds(90 + 120)));
        give_back(&fifth).await;
        assert_eq!(end().await, None);
        give_back(&at_once[0]).await;
        let sixth = take(90).await.unwrap();
        assert_eq!((sixth.attempts, end().await), (3, Some(now() + Duration::seconds(90 + 120))));
    }

    // diesel-async blocks until a statement that nobody waits for any more is done, which a runtime of one thread refuses.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_written_after_a_count_is_flushed_even_if_nobody_waited_for_the_count() {
        let (_folder, store) = opened().await;
        let pace = at(0);
        let slots = [Slot { key: vec![1], allowed: 100 }];
        assert_eq!(take(&store, &slots, &pace).await.unwrap()[0].attempts, 1);
        assert_eq!(synchronous(&store).await, 2);
        for _ in 0..20 {
            let mut taking = Box::pin(take(&store, &slots, &pace));
            // Until the work is handed over, and a bit longer or shorter.
            let _ = tokio::time::timeout(std::time::Duration::from_micros(200), &mut taking).await;
            drop(taking);
            assert_eq!(synchronous(&store).await, 2);
        }
    }
}
