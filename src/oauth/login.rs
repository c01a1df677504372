//! Whose password it is: the order in which a login is judged, so that it costs and tells the same for every name.

use chrono::Duration;

use super::login_events::LoginFailure;
use super::login_throttle::{self, Attempt, Counters};
use super::{Error, GrantRefusal, Origin, Provider};
use crate::password::{self, PasswordHash, Verdict};
use crate::protocol::username;
use crate::secret::Secret;
use crate::store::clients::Client;
use crate::store::known_addresses::{self, KnownAddress};
use crate::store::login_throttles;
use crate::store::logins::{self, Presented};
use crate::store::settings::Settings;
use crate::store::users::{self, User};
use crate::store::{self, Connection};

/// A user who has proved who it is, and what is to be written of it.
pub(super) struct Login {
    pub user: User,
    attempt: Attempt,
    counters: Counters,
    known: Known,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Known {
    No,
    /// The last login from the address was some time ago: that is to be written anew.
    Long,
    Lately,
}

/// How much older than it says the last login from a known address is at most: a login is one write less then.
const STALE: Duration = Duration::days(1);

/// Addresses that are known of one user: the last ones.
const MOST_ADDRESSES: i64 = 20;

impl Provider {
    /// The user whose password this is. Unknown, disabled and password-less users cost the same as a wrong password and
    /// get the same answer, and so does a user who may not log in this way. Without a client it is the user alone who asks.
    pub(super) async fn log_in(
        &self,
        client: Option<&Client>,
        (presented_name, presented_password): (&str, &Secret),
        settings: &Settings,
        origin: &Origin,
    ) -> Result<Login, Error> {
        // First of all: where there is no place, the database is not asked either.
        let password = self.passwords.admit(presented_password)?;
        let canonical = username::canonical(presented_name);
        let counters = self.counters(&canonical, origin);
        let now = self.clock.now();
        let presented = {
            let mut connection = self.store.reading().await?;
            logins::look_up(&mut connection, &canonical, &counters.pair, (counters.all(), now)).await?
        };
        let attempt = self.take_slots(&counters, &presented, settings).await?;
        let known = match presented.known_since {
            _ if !login_throttle::is_known(&presented, now) => Known::No,
            Some(last) if now < last + STALE => Known::Lately,
            _ => Known::Long,
        };
        let Presented { user, .. } = presented;
        let failure = unusable(user.as_ref());
        let stored = user.as_ref().filter(|_| failure.is_none()).and_then(|user| user.password_hash.clone());
        let stored = stored.map(PasswordHash::from_stored);
        let verdict = match password.verify(stored, origin.presence.gone()).await {
            Err(busy @ password::Error::Busy { .. }) => {
                self.give_slots_back(&attempt.taken).await?;
                return Err(busy.into());
            }
            verdict => verdict?,
        };
        match (verdict, user) {
            (Verdict::Right { rehash }, Some(user)) => {
                if let Some(rehash) = rehash {
                    users::rehash(&mut self.store.writing().await?, &user, rehash.as_str()).await?;
                }
                Ok(Login { user, attempt, counters, known })
            }
            (_, user) => {
                let why = failure.unwrap_or(LoginFailure::Password);
                let address = origin.address.map(tracing::field::display);
                tracing::info!(address, why = why.as_str(), "login refused");
                self.record_failed_login((client, user.as_ref()), (&attempt, why), origin).await?;
                Err(Error::InvalidGrant(GrantRefusal::Credentials))
            }
        }
    }
}

/// Why no password of the user is right.
fn unusable(user: Option<&User>) -> Option<LoginFailure> {
    match user {
        None => Some(LoginFailure::UnknownUser),
        Some(user) if user.disabled_at.is_some() => Some(LoginFailure::Disabled),
        Some(user) if user.password_grant_disabled_at.is_some() => Some(LoginFailure::PasswordGrantDisabled),
        Some(_) => None,
    }
}

impl Login {
    /// The counter that begins anew in the statement that writes the grant: that of a known address, the only one it has.
    pub fn counter_of_known(&self) -> Option<&[u8]> {
        (self.known != Known::No && !self.attempt.taken.is_empty()).then_some(&self.counters.pair)
    }

    /// Writes what a login from elsewhere changes, in the transaction of its grant: its slots come back, and its address is
    /// known from now on. The counters are written in the order in which they were taken.
    pub async fn remember(
        &self,
        connection: &mut Connection,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), store::Error> {
        if self.known == Known::No {
            for slot in &self.attempt.taken {
                if slot.key == self.counters.pair {
                    logins::forget(connection, &slot.key).await?;
                } else {
                    login_throttles::give_back(connection, slot).await?;
                }
            }
        }
        if self.known != Known::Lately {
            let known = KnownAddress { key: self.counters.pair.clone(), user_id: self.user.id, last_login_at: now };
            known_addresses::remember(connection, &known, MOST_ADDRESSES).await?;
        }
        Ok(())
    }
}
