//! Which algorithm signs a resource server's tokens. A change waits until every verifier can know a key of the new
//! algorithm: until then tokens are signed with the former one.

use chrono::{DateTime, Duration, Utc};

use super::resource_servers::find;
use super::{Admin, Error};
use crate::keys::Activation;
use crate::protocol::jwk::Algorithm;
use crate::store::resource_servers::ResourceServer;
use crate::store::signing_keys::{self, SigningKey};
use crate::store::{Spelled, settings};

/// A change for which there is a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    algorithm: Algorithm,
    /// From when every verifier knows the key that then signs.
    known_from: DateTime<Utc>,
}

impl Planned {
    /// Answers what the administrator should know.
    pub fn apply(self, server: &mut ResourceServer, now: DateTime<Utc>) -> Option<String> {
        let Self { algorithm, known_from } = self;
        let current = server.algorithm_at(now);
        server.signing_algorithm = Spelled(algorithm);
        if current == algorithm || known_from <= now {
            server.former_signing_algorithm = None;
            server.signing_algorithm_since = None;
            return None;
        }
        server.former_signing_algorithm = Some(Spelled(current));
        server.signing_algorithm_since = Some(known_from);
        Some(format!(
            "tokens are signed with {current} until {} and with {algorithm} from then on, when every verifier has had \
             time to fetch its key",
            known_from.format("%FT%TZ")
        ))
    }
}

impl Admin {
    /// Sees to it that `algorithm` has a key, before anything refers to it: were it the other way round, another
    /// instance could find an algorithm without a key, and start one at once.
    pub(super) async fn plan_algorithm(&self, audience: &str, algorithm: Algorithm) -> Result<Planned, Error> {
        let mut connection = self.store.reading().await?;
        find(&mut connection, audience).await?;
        let now = self.clock.now();
        let publication = settings::load(&mut connection).await?.publication_at(now);
        let rows = signing_keys::all(&mut connection).await?;
        drop(connection);
        let known_from = match known_from(&rows, algorithm, now, publication) {
            Some(known_from) => known_from,
            None => self.keys.stage(algorithm, Activation::Published, &self.author()).await?.active_at,
        };
        Ok(Planned { algorithm, known_from })
    }

    /// A key of `algorithm` for a resource server that is new, and so has no verifier that keeps an older key set.
    pub(super) async fn ensure_first_key(&self, algorithm: Algorithm) -> Result<(), Error> {
        let rows = signing_keys::all(&mut self.store.reading().await?).await?;
        if known_from(&rows, algorithm, self.clock.now(), Duration::zero()).is_none() {
            self.keys.stage(algorithm, Activation::AtOnce, &self.author()).await?;
        }
        Ok(())
    }
}

/// From when a key of `algorithm` signs that has been in the key set for `publication`. `None` when it has no key.
fn known_from(
    rows: &[SigningKey],
    algorithm: Algorithm,
    now: DateTime<Utc>,
    publication: Duration,
) -> Option<DateTime<Utc>> {
    let signs =
        |key: &&SigningKey| key.algorithm.0 == algorithm && key.revoked_at.is_none() && key.retired_at.is_none();
    let own: Vec<&SigningKey> = rows.iter().filter(signs).collect();
    // The one that signs; before any does, the one that will.
    let signing = own.iter().filter(|key| key.active_at <= now).max_by_key(|key| key.active_at);
    let key = signing.or_else(|| own.iter().min_by_key(|key| key.active_at))?;
    Some(now.max(key.active_at).max(key.created_at + publication))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::keys::generate;
    use crate::store::Json;

    const PUBLICATION: Duration = Duration::hours(24);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::hours(hours)
    }

    fn key(created: i64, active: i64) -> SigningKey {
        let public_jwk = generate(Algorithm::EdDSA, &Entropy::seeded(7)).unwrap().public_jwk;
        SigningKey {
            kid: public_jwk.kid().to_owned(),
            algorithm: Spelled(Algorithm::EdDSA),
            public_jwk: Json(public_jwk),
            sealed_private_key: Vec::new(),
            created_at: at(created),
            active_at: at(active),
            revoked_at: None,
            retired_at: None,
            activation_noted_at: None,
        }
    }

    fn known(keys: &[SigningKey], now: i64) -> Option<DateTime<Utc>> {
        known_from(keys, Algorithm::EdDSA, at(now), PUBLICATION)
    }

    #[test]
    fn an_algorithm_is_known_when_its_signing_key_has_been_published_long_enough() {
        assert_eq!(known(&[], 0), None);
        assert_eq!(known(&[key(0, 24)], 1), Some(at(24)), "waiting");
        assert_eq!(known(&[key(0, 0)], 1), Some(at(24)), "started at once an hour ago");
        assert_eq!(known(&[key(0, 0)], 100), Some(at(100)), "known to all");
        assert_eq!(known(&[key(0, 0), key(99, 99)], 100), Some(at(123)), "replaced in an emergency an hour ago");
        assert_eq!(known(&[key(0, 0), key(99, 123)], 100), Some(at(100)), "its successor waits");
    }

    #[test]
    fn a_key_that_does_not_sign_makes_no_algorithm_known() {
        let revoked = SigningKey { revoked_at: Some(at(1)), ..key(0, 0) };
        let retired = SigningKey { retired_at: Some(at(1)), ..key(1, 1) };
        assert_eq!(known(&[revoked, retired], 100), None);
    }
}
