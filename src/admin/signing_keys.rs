//! Signing keys: what each does now and next, and rotation by command.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use super::lifetime::spelled;
use super::{Admin, Done, Error};
use crate::keys::{Activation, Staged};
use crate::protocol::jwk::Algorithm;
use crate::store::{Connection, settings};

#[derive(Clone, Debug, Serialize)]
pub struct SigningKeyView {
    pub kid: String,
    pub alg: Algorithm,
    /// `published`, `signing`, `verifying`, `expired` or `revoked`.
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub active_at: DateTime<Utc>,
    /// When the state changes next, as things stand.
    pub next_transition_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct StagedView {
    pub kid: String,
    pub alg: Algorithm,
    pub active_at: DateTime<Utc>,
    /// False when this key was waiting already, and none was made.
    pub new: bool,
}

impl From<Staged> for StagedView {
    fn from(staged: Staged) -> Self {
        Self { kid: staged.kid, alg: staged.algorithm, active_at: staged.active_at, new: staged.new }
    }
}

impl Admin {
    /// Every key, in the order in which they start.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyView>, Error> {
        self.keys.reload().await?;
        let now = self.clock.now();
        let ring = self.keys.ring();
        let view = |key: &crate::keys::ring::RingKey| SigningKeyView {
            kid: key.kid().to_owned(),
            alg: key.algorithm(),
            state: key.state(now).to_string(),
            created_at: key.opened().created_at,
            active_at: key.opened().active_at,
            next_transition_at: key.next_transition(now),
        };
        Ok(ring.keys().iter().map(view).collect())
    }

    /// Makes a successor for each algorithm in use, or for one.
    pub async fn rotate_keys(
        &self,
        algorithm: Option<Algorithm>,
        activation: Activation,
    ) -> Result<Done<Vec<StagedView>>, Error> {
        let staged = match algorithm {
            Some(algorithm) => vec![self.keys.stage(algorithm, activation).await?],
            None => self.keys.rotate(activation).await?,
        };
        let views: Vec<StagedView> = staged.into_iter().map(StagedView::from).collect();
        let settings = settings::load(&mut self.store.reading().await?).await?;
        // `keys` commits a key by itself; the record of who asked for it follows.
        let recorded = async |connection: &mut Connection| -> Result<(), Error> {
            for key in views.iter().filter(|key| key.new) {
                let details = json!({ "alg": key.alg, "active_at": key.active_at });
                self.audit(connection, "signing_key.create", &format!("signing_key:{}", key.kid), details).await?;
            }
            Ok(())
        };
        self.store.transaction(recorded).await?;
        let mut notes: Vec<String> = views
            .iter()
            .filter(|key| !key.new)
            .map(|key| {
                format!("a key for {} is waiting already, {}: none was made", key.alg, key.active_at.format("%FT%TZ"))
            })
            .collect();
        if activation == Activation::AtOnce {
            notes.push(format!(
                "verifiers that do not fetch the key set again when they meet an unknown kid refuse new tokens for up to \
                 {} (jwks_max_age)",
                spelled(settings.jwks_max_age)
            ));
        }
        Ok(Done { notes, ..Done::plain(views) })
    }
}
