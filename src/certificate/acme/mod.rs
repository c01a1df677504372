//! Ordering certificates (ACME, RFC 8555): one instance at a time orders and renews, by a lease in the database; all show what
//! it got, and all answer the authority's challenges, for any of them may be asked.

mod challenge;
mod error;
mod order;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{Held, Shown};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::Keys;
use crate::secret::{Secret, SecretBytes};
use crate::store::acme::{self, Issued, Lease};
use crate::store::audit_events::{self, Author};
use crate::store::{self, Connection, Store};
pub use challenge::ChallengeType;
pub use error::AcmeError;

/// How often each instance looks at what has become of the certificate, and whether it is due.
const LOOK: Duration = Duration::from_secs(1);

/// After this every instance answers what was published: more than twice as long as between two looks.
const SPREAD: Duration = Duration::from_secs(3);

/// How long an instance may be at an order. One that dies with it is followed by another after that.
const LEASE: chrono::Duration = chrono::Duration::minutes(5);

/// After a failure: a minute, then three times as long each time, and never more than half a day. Authorities refuse who
/// fails too often (five times an hour, Let's Encrypt).
const FIRST_PAUSE: chrono::Duration = chrono::Duration::minutes(1);
const LONGEST_PAUSE: chrono::Duration = chrono::Duration::hours(12);

/// What is ordered, and where.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The URL of the authority's directory.
    pub directory: String,
    /// Sorted, without duplicates.
    pub domains: Vec<String>,
    /// Whom the authority may write to, an e-mail address.
    pub contact: Option<String>,
    pub challenge: ChallengeType,
    /// A certificate authority to check the directory's own TLS with, in place of the machine's.
    pub root: Option<PathBuf>,
    /// An account with the authority that exists beside ACME (RFC 8555 §7.3.4): its identifier, and its key in base64url.
    pub external_account: Option<(String, Secret)>,
}

/// The certificate of this issuer, as one instance keeps it.
pub struct Acme {
    terms: Terms,
    domains: String,
    id: Uuid,
    shown: Arc<Shown>,
    /// The version of the row that is shown.
    version: AtomicI64,
    store: Store,
    clock: Clock,
    entropy: Entropy,
    keys: Arc<Keys>,
}

/// What an issuer orders certificates with.
pub struct Surroundings {
    pub store: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keys: Arc<Keys>,
}

impl Acme {
    /// Sees to it that the database knows of the certificate, and shows it where there is one already.
    ///
    /// # Errors
    /// When the database does not answer, or holds a certificate that cannot be used.
    pub async fn begin(terms: Terms, shown: Arc<Shown>, around: Surroundings) -> Result<Self, AcmeError> {
        let Surroundings { store, clock, entropy, keys } = around;
        let domains = terms.domains.join(",");
        let now = clock.now();
        let new = entropy.ordered_uuid(now);
        let key = (&*terms.directory, &*domains);
        acme::register(&mut store.writing().await?, new, key, now).await?;
        let row = acme::find(&mut store.reading().await?, key).await?.ok_or(AcmeError::Gone)?;
        let version = AtomicI64::new(-1);
        let acme = Self { terms, domains, id: row.id, shown, version, store, clock, entropy, keys };
        acme.look().await?;
        if acme.shown.not_after().is_none() {
            tracing::info!(
                domains = acme.domains,
                directory = acme.terms.directory,
                "there is no certificate yet: one is ordered"
            );
        }
        Ok(acme)
    }

    /// Shows what there is, and orders when it is time to, until the task is dropped.
    pub async fn keep(self) {
        let look = async {
            let mut reachable = true;
            loop {
                tokio::time::sleep(LOOK).await;
                match self.look().await {
                    Ok(()) => reachable = true,
                    Err(error) => {
                        if reachable {
                            tracing::warn!(%error, "what has become of the certificate could not be looked up: the former one stays");
                        }
                        reachable = false;
                    }
                }
            }
        };
        let order = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Err(error) = self.order_when_due().await {
                    tracing::warn!(%error, "whether a certificate is due could not be looked up");
                    tokio::time::sleep(10 * LOOK).await;
                }
            }
        };
        tokio::join!(look, order);
    }

    /// Shows the certificate and answers the challenges that the database has now.
    pub async fn look(&self) -> Result<(), AcmeError> {
        let mut connection = self.store.reading().await?;
        let (version, ..) = acme::standing(&mut connection, self.id).await?.ok_or(AcmeError::Gone)?;
        if version == self.version.load(Ordering::Acquire) {
            return Ok(());
        }
        let row = acme::find(&mut connection, (&self.terms.directory, &self.domains)).await?.ok_or(AcmeError::Gone)?;
        drop(connection);
        self.shown.answer(challenge::answers(&row.challenges.0, self.terms.challenge)?);
        if let (Some(chain), Some(sealed)) = (&row.chain, &row.sealed_private_key) {
            let held = Held::from_pem(chain.as_bytes(), self.keys.open_certificate_key(self.id, sealed)?.expose())?;
            if self.shown.not_after() != Some(held.not_after) {
                tracing::info!(domains = self.domains, not_after = %held.not_after, "a certificate is shown");
            }
            self.shown.show(held);
        }
        self.version.store(row.version, Ordering::Release);
        Ok(())
    }

    /// Orders, if it is time to and no other instance does. Answers whether it has.
    ///
    /// # Errors
    /// When the database does not answer. An order that fails is written down and tried again later.
    pub async fn order_when_due(&self) -> Result<bool, AcmeError> {
        let now = self.clock.now();
        let (_, due, leased) =
            acme::standing(&mut self.store.reading().await?, self.id).await?.ok_or(AcmeError::Gone)?;
        if due > now || leased.is_some_and(|until| until > now) {
            return Ok(false);
        }
        let until = now + LEASE;
        let Some(lease) = acme::lease(&mut self.store.writing().await?, self.id, (now, until)).await? else {
            return Ok(false);
        };
        tracing::info!(domains = self.domains, directory = self.terms.directory, "a certificate is ordered");
        let ordered = self.order(lease).await.and_then(|(chain, key)| self.sealed(chain, &key));
        match ordered {
            Ok(issued) => self.write_issued(lease, issued).await?,
            Err(error) => self.write_failed(lease, &error).await?,
        }
        self.look().await?;
        Ok(true)
    }

    /// A certificate as it is kept, if it is one that can be shown.
    fn sealed(&self, chain: String, key: &SecretBytes) -> Result<Issued, AcmeError> {
        let Held { not_before, not_after, .. } = Held::from_pem(chain.as_bytes(), key.expose())?;
        let sealed_private_key = self.keys.seal_certificate_key(self.id, key);
        Ok(Issued { chain, sealed_private_key, not_before, not_after, next_order_at: renewal(not_before, not_after) })
    }

    async fn write_issued(&self, lease: Lease, issued: Issued) -> Result<(), AcmeError> {
        let details = json!({ "directory": self.terms.directory, "not_after": issued.not_after });
        self.record(lease, details, async |connection: &mut Connection| acme::issued(connection, lease, issued).await)
            .await
    }

    async fn write_failed(&self, lease: Lease, error: &AcmeError) -> Result<(), AcmeError> {
        let key = (&*self.terms.directory, &*self.domains);
        let failures = acme::find(&mut self.store.reading().await?, key).await?.map_or(0, |row| row.failures);
        let next_order_at = self.clock.now() + pause(failures);
        let text = error.to_string();
        tracing::error!(domains = self.domains, error = text, %next_order_at, "no certificate was issued");
        let details = json!({ "directory": self.terms.directory, "error": text, "next_order_at": next_order_at });
        let failed = async |connection: &mut Connection| acme::failed(connection, lease, &text, next_order_at).await;
        self.record(lease, details, failed).await
    }

    /// Makes a change and its audit event in one transaction, unless another instance is at the order by now.
    async fn record<F>(&self, lease: Lease, details: serde_json::Value, change: F) -> Result<(), AcmeError>
    where
        F: AsyncFnOnce(&mut Connection) -> Result<bool, store::Error>,
    {
        let at = self.clock.now();
        let target = format!("certificate:{}", self.domains);
        let is_failure = details.get("error").is_some();
        let event = Author::signet().event((self.entropy.ordered_uuid(at), at), "certificate.issue", target, details);
        let event = if is_failure { event.failed() } else { event };
        let changed = async |connection: &mut Connection| {
            let changed = change(connection).await?;
            if changed {
                audit_events::insert(connection, &event).await?;
            }
            Ok::<bool, store::Error>(changed)
        };
        if !self.store.transaction(changed).await? {
            tracing::warn!(until = %lease.until, "the order took too long: another instance is at it");
        }
        Ok(())
    }
}

/// When a third of its life is left: 30 days of 90, 2 of 6.
fn renewal(not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> DateTime<Utc> {
    not_after - (not_after - not_before) / 3
}

/// How long to wait after the failure that follows `failures` others.
fn pause(failures: i64) -> chrono::Duration {
    let factor = 3_i32.saturating_pow(u32::try_from(failures).unwrap_or(u32::MAX).min(8));
    (FIRST_PAUSE * factor).min(LONGEST_PAUSE)
}
