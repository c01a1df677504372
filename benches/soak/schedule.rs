//! What happens to the issuer, and when. Three lanes side by side: instances are killed, databases restart and fail over, keys
//! rotate.

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::Ledger;
use crate::options::Options;
use crate::pair::Pair;
use crate::site::{Environment, Instance, Site, watch_memory};

/// How long an instance stays dead.
const DEAD: Duration = Duration::from_secs(3);
/// No event in the first seconds.
const QUIET: Duration = Duration::from_secs(5);
/// A key is in the key set for so long before it is made to sign: verifiers fetch the set each half minute.
const STAGED: Duration = Duration::from_secs(40);
/// What fails while the database is away is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Seconds that tokens and keys live, so that ten minutes have all their ends in them.
pub struct Lifetimes {
    pub access_token: String,
    retention: String,
    max_age: String,
    publication: String,
    interval: String,
}

impl Lifetimes {
    /// Access tokens live two minutes; the key set may be kept for half a minute, which is the least that verifiers keep it;
    /// the rest is the least that follows from these.
    pub fn new() -> Self {
        let seconds = |seconds: u32| format!("{seconds}s");
        Self {
            access_token: seconds(120),
            retention: seconds(185),
            max_age: seconds(30),
            publication: seconds(90),
            interval: seconds(24 * 3600),
        }
    }

    /// The command that sets them. Any number of grants, since the users of the soak log in again and again.
    pub fn arguments(&self) -> Vec<&str> {
        vec![
            "settings",
            "set",
            "--access-token-lifetime",
            &self.access_token,
            "--key-retention",
            &self.retention,
            "--jwks-max-age",
            &self.max_age,
            "--key-publication-period",
            &self.publication,
            "--key-rotation-interval",
            &self.interval,
            "--grant-limit",
            "10000",
        ]
    }
}

pub struct Schedule {
    length: Duration,
    kills_every: Duration,
    rotates_every: Duration,
}

impl Schedule {
    /// Kills each half minute and rotations each minute in ten minutes; closer together, within reason, in less.
    pub fn of(options: &Options) -> Self {
        let length = Duration::from_secs(options.seconds);
        let scaled = |usual: u64, least: u64| Duration::from_secs((usual * options.seconds / 600).clamp(least, usual));
        Self { length, kills_every: scaled(30, 12), rotates_every: scaled(60, 45) }
    }

    pub async fn run(&self, site: &mut Site, pair: &mut Pair, ledger: &Arc<Ledger>) {
        let memory = tokio::spawn(watch_memory(site.watch(), ledger.clone()));
        let environment = site.environment();
        let (a, b) = (&mut site.a, &mut site.b);
        tokio::join!(self.kill([a, b], ledger), self.disturb(pair, ledger), self.rotate(&environment, ledger));
        drop(memory);
    }

    /// One after the other, in turns.
    async fn kill(&self, instances: [&mut Instance; 2], ledger: &Ledger) {
        let mut due = self.kills_every;
        let mut turn = 0;
        let [a, b] = instances;
        while due + QUIET < self.length {
            let instance = if turn % 2 == 0 { &mut *a } else { &mut *b };
            ledger.reach(due).await;
            let at = ledger.now();
            instance.kill().await;
            ledger.event(at, format!("instance {} killed", instance.name), true);
            ledger.reach(due + DEAD).await;
            let at = ledger.now();
            match instance.start().await {
                Ok(ready) => {
                    let what = format!("instance {} started, ready after {} ms", instance.name, ready.as_millis());
                    ledger.event(at, what, false);
                }
                Err(failure) => {
                    ledger.book().mishaps.add(at, format_args!("instance {}: {failure}", instance.name));
                }
            }
            due += self.kills_every;
            turn += 1;
        }
    }

    /// A restart, a failover with a new standby afterwards, another restart. Not at the moment of a kill.
    async fn disturb(&self, pair: &mut Pair, ledger: &Ledger) {
        for (share, what) in [(0.24, "restarted"), (0.49, "failed over"), (0.74, "restarted")] {
            ledger.reach(self.length.mul_f64(share)).await;
            let at = ledger.now();
            let outcome = if what == "restarted" { pair.restart().await } else { pair.fail_over().await };
            if let Err(failure) = outcome {
                // The report then lacks an event, and fails.
                ledger.book().mishaps.add(at, format_args!("PostgreSQL: {failure}"));
                return;
            }
            let took = ledger.now().saturating_sub(at).as_millis();
            ledger.event(at, format!("PostgreSQL {what}, within {took} ms"), true);
            if what == "failed over" {
                tokio::time::sleep(QUIET).await;
                let at = ledger.now();
                match pair.add_standby().await {
                    Ok(()) => ledger.event(at, "the old primary is the synchronous standby", false),
                    Err(failure) => ledger.book().mishaps.add(at, format_args!("the new standby: {failure}")),
                }
            }
        }
    }

    /// As docs/keys.md says: a key is made, verifiers have time to fetch it, it signs.
    async fn rotate(&self, environment: &Environment, ledger: &Ledger) {
        let mut due = QUIET;
        while due + STAGED + QUIET < self.length {
            ledger.reach(due).await;
            until_done(environment, &["key", "rotate"], ledger).await;
            ledger.reach(due + STAGED).await;
            until_done(environment, &["key", "rotate", "--now"], ledger).await;
            let what = "keys rotated";
            ledger.event(ledger.now(), what, true);
            due += self.rotates_every;
        }
    }
}

async fn until_done(environment: &Environment, arguments: &[&str], ledger: &Ledger) {
    while let Err(failure) = environment.run(arguments).await {
        let now = ledger.now();
        ledger.book().mishaps.add(now, format_args!("`signet {}`: {failure}", arguments.join(" ")));
        tokio::time::sleep(AGAIN).await;
    }
}
