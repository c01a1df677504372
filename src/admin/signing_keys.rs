//! Signing keys: what each does now and next, which verifiers know it, and rotation by command.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lifetime::spelled;
use super::verifiers::{VerifierView, named, unaware};
use super::{Admin, Done, Error};
use crate::keys::ring::RingKey;
use crate::keys::{Activation, Staged, State};
use crate::protocol::jwk::Algorithm;
use crate::store::settings::Settings;

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SigningKeyView {
    pub kid: String,
    pub alg: Algorithm,
    /// `published`, `signing`, `verifying`, `expired` or `revoked`.
    pub state: String,
    pub created_at: DateTime<Utc>,
    /// When it begins to sign.
    pub active_at: DateTime<Utc>,
    /// When its successor signs in its stead; absent while it has none.
    pub superseded_at: Option<DateTime<Utc>>,
    /// When it leaves the key set, because its last token has expired.
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// When the state changes next, as things stand.
    pub next_transition_at: Option<DateTime<Utc>>,
    /// From when a successor signs that the schedule has yet to make.
    pub rotates_at: Option<DateTime<Utc>>,
    /// Verifiers that have fetched the key set in the last 30 days, but not since this key is in it. Of keys that sign or
    /// will sign.
    pub unknown_to: Vec<VerifierView>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StagedView {
    pub kid: String,
    pub alg: Algorithm,
    pub created_at: DateTime<Utc>,
    pub active_at: DateTime<Utc>,
    /// False when this key was waiting already, and none was made.
    pub new: bool,
}

impl From<Staged> for StagedView {
    fn from(Staged { kid, algorithm: alg, created_at, active_at, new }: Staged) -> Self {
        Self { kid, alg, created_at, active_at, new }
    }
}

impl Admin {
    /// Every key, in the order in which they start, and what is to be known about the next rotation.
    pub async fn signing_keys(&self) -> Result<Done<Vec<SigningKeyView>>, Error> {
        self.keys.reload().await?;
        let fetches = self.fetches().await?;
        let settings = self.settings().await?;
        let in_use = self.keys.algorithms_in_use().await?;
        let now = self.clock.now();
        let view = |key: &RingKey| {
            let (opened, state) = (key.opened(), key.state(now));
            let end = key.end();
            let signs = matches!(state, State::Published | State::Signing);
            let rotates = state == State::Signing && end.is_none() && in_use.contains(&key.algorithm());
            SigningKeyView {
                kid: key.kid().to_owned(),
                alg: key.algorithm(),
                state: state.to_string(),
                created_at: opened.created_at,
                active_at: opened.active_at,
                superseded_at: end.map(|(superseded_at, _)| superseded_at),
                expires_at: end.map(|(_, expires_at)| expires_at),
                revoked_at: opened.revoked_at,
                next_transition_at: key.next_transition(now),
                rotates_at: rotates.then(|| rotates_at(opened.active_at, now, &settings)),
                unknown_to: if signs { unaware(&fetches, opened.created_at) } else { Vec::new() },
            }
        };
        let views: Vec<SigningKeyView> = self.keys.ring().keys().iter().map(view).collect();
        let notes = views.iter().flat_map(|view| notes(view, fetches.len())).collect();
        Ok(Done { notes, ..Done::plain(views) })
    }

    /// Makes a successor for each algorithm in use, or for one; or lets the one that waits sign at once.
    pub async fn rotate_keys(
        &self,
        algorithm: Option<Algorithm>,
        activation: Activation,
    ) -> Result<Done<Vec<StagedView>>, Error> {
        let author = self.author();
        let staged = match algorithm {
            Some(algorithm) => vec![self.keys.stage(algorithm, activation, &author).await?],
            None => self.keys.rotate(activation, &author).await?,
        };
        let views: Vec<StagedView> = staged.into_iter().map(StagedView::from).collect();
        let settings = self.settings().await?;
        let fetches = self.fetches().await?;
        let mut notes = Vec::new();
        for key in &views {
            match activation {
                Activation::AtOnce => {
                    notes.push(who_fails(key, self.clock.now(), settings.jwks_max_age));
                    notes.push(who_knows(key.alg, &unaware(&fetches, key.created_at), fetches.len()));
                }
                Activation::Published if !key.new => notes.push(format!(
                    "a key for {} is waiting already, {}: none was made",
                    key.alg,
                    key.active_at.format("%FT%TZ")
                )),
                Activation::Published => {}
            }
        }
        Ok(Done { notes, ..Done::plain(views) })
    }
}

/// As the schedule has it: one interval after its predecessor, and never before it was published for long enough.
fn rotates_at(active_at: DateTime<Utc>, now: DateTime<Utc>, settings: &Settings) -> DateTime<Utc> {
    (active_at + Duration::seconds(settings.key_rotation_interval)).max(now + settings.publication_at(now))
}

fn notes(key: &SigningKeyView, verifiers: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(at) = key.rotates_at {
        notes.push(format!("the next {} key will be made by itself and sign from {}", key.alg, at.format("%FT%TZ")));
    }
    // Before any other key, every verifier begins with this one.
    if key.state == "published" || !key.unknown_to.is_empty() {
        notes.push(who_knows(key.alg, &key.unknown_to, verifiers));
    }
    notes
}

/// Which caches fail after a key has been activated at once, and for how long.
fn who_fails(key: &StagedView, now: DateTime<Utc>, max_age: i64) -> String {
    let left = (key.created_at + Duration::seconds(max_age) - now).num_seconds();
    let kept_longer = "one that keeps the key set for longer than that, until it fetches it; one that fetches it when it \
                       meets an unknown kid, until then";
    if left <= 0 {
        return format!(
            "{} key {} signs from now on. It is in the key set for longer than {} (jwks_max_age): no verifier that keeps \
             to that fails; {kept_longer}",
            key.alg,
            key.kid,
            spelled(max_age)
        );
    }
    format!(
        "{} key {} signs from now on. A verifier that keeps the key set for {} (jwks_max_age) may refuse new tokens for up \
         to {}, until {}; {kept_longer}",
        key.alg,
        key.kid,
        spelled(max_age),
        spelled(left),
        (now + Duration::seconds(left)).format("%FT%TZ")
    )
}

fn who_knows(alg: Algorithm, unaware: &[VerifierView], verifiers: usize) -> String {
    if verifiers == 0 {
        return "nobody has fetched the key set in the last 30 days, as far as it is written down".to_owned();
    }
    if unaware.is_empty() {
        return format!("every verifier seen in the last 30 days ({verifiers}) has fetched the {alg} key");
    }
    let (count, names) = (unaware.len(), named(unaware));
    format!("{count} of {verifiers} verifiers have not fetched the key set since the {alg} key is in it: {names}")
}
