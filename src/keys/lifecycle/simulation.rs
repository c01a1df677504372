//! Several instances with clocks that disagree, verifiers with key sets as old as the cache allows, keys rotated and
//! tokens issued at random moments: no valid token ever meets a key set without its key.

use proptest::prelude::*;

use super::*;
use crate::protocol::jwk::Algorithm::ES256;

/// All in seconds, and small, so that the extremes meet often. `skew` is the most by which two clocks differ, `reload` the longest until an instance, other than
/// the one that made it, knows a new key.
#[derive(Clone, Debug)]
struct World {
    lifetime: i64,
    max_age: i64,
    skew: i64,
    reload: i64,
    interval: i64,
    /// How much each instance's clock is ahead of the slowest one possible, and how long it takes to reload.
    instances: Vec<(i64, i64)>,
    /// Pauses, and the instance that acts after each.
    steps: Vec<(i64, usize)>,
}

fn worlds() -> impl Strategy<Value = World> {
    (1..20_i64, 1..10_i64, 0..4_i64, 0..3_i64, 1..40_i64).prop_flat_map(
        |(lifetime, max_age, skew, reload, interval)| {
            let instances = prop::collection::vec((0..=skew, 0..=reload), 1..4);
            let steps = prop::collection::vec((0..4_i64, 0..4_usize), 1..60);
            (instances, steps).prop_map(move |(instances, steps)| World {
                lifetime,
                max_age,
                skew,
                reload,
                interval,
                instances,
                steps,
            })
        },
    )
}

impl World {
    fn publication(&self) -> TimeDelta {
        TimeDelta::seconds(self.max_age + self.skew + self.reload)
    }

    fn retention(&self) -> TimeDelta {
        TimeDelta::seconds(self.lifetime + self.skew)
    }

    fn clock(&self, instance: usize, time: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(time + self.instances[instance].0, 0).unwrap()
    }
}

/// A key, when it was made, and by which instance.
struct Made {
    key: Schedule,
    time: i64,
    by: usize,
}

struct Run<'a> {
    world: &'a World,
    keys: Vec<Made>,
}

impl Run<'_> {
    /// The keys in one state or another for an instance, as it knows them.
    fn kids(&self, instance: usize, time: i64, wanted: impl Fn(State) -> bool) -> Vec<&str> {
        let reload = self.world.instances[instance].1;
        let known: Vec<_> = self
            .keys
            .iter()
            .filter(|made| made.time + if made.by == instance { 0 } else { reload } <= time)
            .map(|made| made.key.clone())
            .collect();
        let now = self.world.clock(instance, time);
        let spans = spans(&known, self.world.retention());
        let wanted = |kid: &str| known.iter().zip(&spans).any(|(key, span)| key.kid == kid && wanted(span.state(now)));
        self.keys.iter().map(|made| made.key.kid.as_str()).filter(|kid| wanted(kid)).collect()
    }

    /// As the store does it: all keys are read under the lock, only the clock is the instance's own.
    fn rotate(&mut self, instance: usize, time: i64) {
        let all: Vec<_> = self.keys.iter().map(|made| made.key.clone()).collect();
        let now = self.world.clock(instance, time);
        let interval = TimeDelta::seconds(self.world.interval);
        if let Some(active_at) = rotation_due(&all, ES256, now, interval, self.world.publication()) {
            let key = schedule(self.keys.len(), active_at);
            self.keys.push(Made { key, time, by: instance });
        }
    }
}

fn schedule(number: usize, active_at: DateTime<Utc>) -> Schedule {
    Schedule { kid: number.to_string(), algorithm: ES256, active_at, revoked_at: None, retired_at: None }
}

proptest! {
    #[test]
    fn every_unexpired_token_verifies_against_every_key_set_that_a_verifier_may_hold(world in worlds()) {
        let mut run = Run { world: &world, keys: Vec::new() };
        let mut tokens: Vec<(String, i64, i64)> = Vec::new();
        let mut time = 0;
        run.rotate(0, time);
        // Before every instance knows the first key, there is nothing that a cache could hold.
        let start = world.reload + world.skew;
        for (pause, instance) in &world.steps {
            time += pause;
            let instance = instance % world.instances.len();
            run.rotate(instance, time);
            let signing = run.kids(instance, time, |state| state == State::Signing);
            prop_assert!(signing.len() <= 1);
            prop_assert!(signing.len() == 1 || time < start, "no key signs at {time}");
            if let [kid] = signing[..] {
                // `exp` is set by a clock that may be ahead, and judged by one that may be behind.
                let expires = world.clock(instance, time).timestamp() + world.lifetime;
                tokens.push((kid.to_owned(), time, expires));
            }
        }
        for (kid, issued, expires) in &tokens {
            for presented in [*issued, i64::midpoint(*issued, *expires), expires - 1] {
                for age in 0..=world.max_age {
                    let fetched = presented - age;
                    for instance in (0..world.instances.len()).filter(|_| fetched >= start) {
                        let set = run.kids(instance, fetched, State::verifies);
                        prop_assert!(
                            set.contains(&kid.as_str()),
                            "key {kid} signed at {issued}; a set of instance {instance} fetched at {fetched} and used \
                             at {presented} has only {set:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn checked_often_enough_keys_follow_each_other_by_exactly_one_interval(
        publication in 1..100_i64,
        spare in 0..1000_i64,
        pauses in prop::collection::vec(1..100_i64, 1..100),
    ) {
        let interval = 2 * publication + spare;
        let mut keys = vec![schedule(0, DateTime::UNIX_EPOCH)];
        let mut now = DateTime::UNIX_EPOCH;
        for pause in pauses {
            let (interval, publication) = (TimeDelta::seconds(interval), TimeDelta::seconds(publication));
            if let Some(active_at) = rotation_due(&keys, ES256, now, interval, publication) {
                prop_assert!(active_at >= now + publication);
                let last = keys[keys.len() - 1].active_at;
                prop_assert_eq!(active_at, last + interval);
                keys.push(schedule(keys.len(), active_at));
            }
            now += TimeDelta::seconds(pause).min(publication);
        }
    }
}
