//! The brake on guessing passwords. Every attempt takes its slots before anything is hashed, and only one that turns out
//! right gets them back:
//!
//! - by **name**, whether there is such a user or not, so that many addresses together guess no faster;
//! - by **address** (of IPv6 the first 64 bits), so that one cannot go through many names;
//! - by the **pair** of both, which is exhausted first: one address does not lock a name for the others.
//!
//! An address from which the user has logged in before is **known**. There the pair alone counts, with a limit of its own:
//! neither an attack on the name from elsewhere nor one on other names from there locks the user out.
//!
//! A counter that is exhausted blocks for [`FIRST_PAUSE`], lets one attempt in, blocks for twice as long, up to the
//! longest block. What is refused meanwhile is not counted and prolongs nothing.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};

use super::{Error, Origin, Provider};
use crate::store::login_throttles::{self, Pace, Slot, Taken};
use crate::store::logins::Presented;
use crate::store::settings::Settings;

/// The first block of a counter.
const FIRST_PAUSE: Duration = Duration::seconds(30);

/// How long an address is known after the last login from it.
pub const REMEMBERED: Duration = Duration::days(90);

/// The names of the counters of one attempt.
pub(super) struct Counters {
    pub name: Vec<u8>,
    pub address: Vec<u8>,
    pub pair: Vec<u8>,
}

/// An attempt that was let in.
#[derive(Default)]
pub(super) struct Attempt {
    /// Empty where logins are not throttled.
    pub taken: Vec<Taken>,
    /// How often it was tried under this name from this address since the counter began.
    pub of_pair: i64,
    /// Whether it was the last for a while.
    pub blocks: bool,
}

impl Counters {
    pub fn all(&self) -> Vec<Vec<u8>> {
        vec![self.name.clone(), self.address.clone(), self.pair.clone()]
    }

    fn slots(&self, is_known: bool, settings: &Settings) -> Vec<Slot> {
        let slot = |key: &Vec<u8>, allowed| Slot { key: key.clone(), allowed };
        if is_known {
            return vec![slot(&self.pair, settings.login_limit_per_known_pair)];
        }
        vec![
            slot(&self.name, settings.login_limit_per_name),
            slot(&self.address, settings.login_limit_per_address),
            slot(&self.pair, settings.login_limit_per_pair),
        ]
    }
}

/// What is one address to the brake: the holder of an IPv6 address has 2^64 of them.
fn place(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        None => Vec::new(),
        Some(IpAddr::V4(v4)) => v4.octets().to_vec(),
        Some(IpAddr::V6(v6)) => v6.octets()[..8].to_vec(),
    }
}

/// Whether a login from there is recent enough for the address to be known.
pub(super) fn is_known(presented: &Presented, now: DateTime<Utc>) -> bool {
    presented.known_since.is_some_and(|last| now < last + REMEMBERED)
}

impl Provider {
    pub(super) fn counters(&self, canonical_username: &str, origin: &Origin) -> Counters {
        let (name, place) = (canonical_username.as_bytes(), place(origin.address));
        Counters {
            name: self.secrets.login_counter(&[b"name", name]),
            address: self.secrets.login_counter(&[b"address", &place]),
            pair: self.secrets.login_counter(&[b"pair", name, &place]),
        }
    }

    /// Takes the slots of an attempt: of all its counters, or it is refused and none is counted.
    pub(super) async fn take_slots(
        &self,
        counters: &Counters,
        presented: &Presented,
        settings: &Settings,
    ) -> Result<Attempt, Error> {
        if !settings.login_throttling {
            return Ok(Attempt::default());
        }
        let now = self.clock.now();
        let longest_pause = Duration::seconds(settings.login_longest_block);
        let pace = Pace {
            now,
            window: Duration::seconds(settings.login_window),
            first_pause: FIRST_PAUSE.min(longest_pause),
            longest_pause,
        };
        let slots = counters.slots(is_known(presented, now), settings);
        // What is blocked already is refused without a write.
        let concerned = |key: &Vec<u8>| slots.iter().any(|slot| slot.key == *key);
        let ends = presented.blocked.iter().filter(|(key, _)| concerned(key)).map(|(_, end)| *end);
        if let Some(end) = ends.max() {
            return Err(self.throttled(end - now));
        }
        let taken = login_throttles::take(&self.store, &slots, &pace).await?;
        if taken.len() < slots.len() {
            // Others that came at the same time were faster.
            self.give_slots_back(&taken).await?;
            let keys = slots.into_iter().map(|slot| slot.key).collect();
            let end = login_throttles::blocked_until(&mut self.store.reading().await?, keys, now).await?;
            return Err(self.throttled(end.unwrap_or(now) - now));
        }
        let of_pair = taken.iter().find(|slot| slot.key == counters.pair).map_or(0, |slot| slot.attempts);
        let blocks = taken.iter().any(|slot| slot.blocks(&pace));
        Ok(Attempt { taken, of_pair, blocks })
    }

    /// One that is not looked at. An attack sends thousands a second: the log has how many there were, now and then.
    fn throttled(&self, retry_after: Duration) -> Error {
        self.metrics.logins_throttled.count(|count| {
            tracing::warn!(count, "logins answered 429: too many attempts under a name or from an address");
        });
        Error::Throttled { retry_after }
    }

    pub(super) async fn give_slots_back(&self, taken: &[Taken]) -> Result<(), Error> {
        if taken.is_empty() {
            return Ok(());
        }
        let mut connection = self.store.writing().await?;
        for slot in taken {
            login_throttles::give_back(&mut connection, slot).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_counted_with_its_network_and_an_ipv4_address_alone() {
        let of = |text: &str| place(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(place(None), of("0.0.0.0"));
    }
}
