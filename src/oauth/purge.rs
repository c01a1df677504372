//! What may be removed when: nothing that an unexpired token could need, or that a replay is known by.
//!
//! - A **grant** goes when its refresh token is dead and every access token of it has expired. No access token outlives
//!   `expires_at`. One that was left alone or revoked gave its last one before that moment, so it stays for as long again
//!   as a token may live. A used refresh token that comes back is a replay while the grant is there, and unknown later:
//!   `invalid_grant` either way.
//! - A **revocation** goes when the last token that carries its indexes has expired, and not before every lease that was
//!   open when it was written is closed: an instance learns by it that the block in its memory is dead.
//! - A **lease** of a client goes when the last token that can carry one of its indexes has expired; that of grants also
//!   waits for the last grant in it.
//! - **Audit events** go when `audit_retention` has passed, all of a seal at once, and never without one (`audit/purge.rs`).
//! - A **status list** goes when it is closed and none of these three refers to it. Indexes and list numbers are never used
//!   again, so that a copy that a verifier still holds says nothing about tokens of later.
//!
//! Every instance does this, in bounded rounds; [`Exclusive::Purge`] lets one at a time. A batch is a transaction, so one
//! that is interrupted has done whole batches, and the next goes on.

use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::key_set_fetches::REMEMBERED;
use super::login_throttle::REMEMBERED as KNOWN;
use crate::audit;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::lifecycle::SKEW;
use crate::status::LEASE_LIFETIME;
use crate::store::purge::{self, BATCH};
use crate::store::settings::{self, Settings};
use crate::store::{Connection, Error, Exclusive, Store};

/// How long after its expiry a verifier may still accept a token.
const LEEWAY: Duration = Duration::seconds(60);

/// How long an administrator can see which events a webhook got, and which it did not get.
const DELIVERED_KEPT: Duration = Duration::days(7);
const GIVEN_UP_KEPT: Duration = Duration::days(30);

/// How many batches of one kind, and how many pages of a table, are done before it is another kind's turn.
#[derive(Clone, Copy)]
struct Effort {
    batches: usize,
    pages: usize,
}

/// Once a minute, that removes 1,600 rows a second, and goes through ten million grants in eight hours.
const ROUND: Effort = Effort { batches: 100, pages: 20 };

const EVERYTHING: Effort = Effort { batches: usize::MAX, pages: usize::MAX };

/// How many rows of each table were removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Purged {
    pub grants: usize,
    pub revocations: usize,
    pub status_leases: usize,
    pub status_lists: usize,
    pub key_set_fetches: usize,
    pub login_throttles: usize,
    pub known_addresses: usize,
    pub audit_events: usize,
    pub webhook_deliveries: usize,
}

impl Purged {
    pub fn rows(&self) -> usize {
        let ended = self.grants + self.revocations + self.status_leases + self.status_lists;
        let told = self.audit_events + self.webhook_deliveries;
        ended + self.key_set_fetches + self.login_throttles + self.known_addresses + told
    }
}

/// The moments by which something must have ended to be removed now.
struct Cutoffs {
    /// `expires_at` of grants.
    expired: DateTime<Utc>,
    /// Of grants that were left alone or revoked: the last token that they could still give has expired.
    dead: DateTime<Utc>,
    /// `expires_at` and `revoked_at` of revocations.
    revocations: (DateTime<Utc>, DateTime<Utc>),
    leased: DateTime<Utc>,
    fetched: DateTime<Utc>,
}

impl Cutoffs {
    fn new(settings: &Settings, now: DateTime<Utc>) -> Self {
        // It holds a leeway already.
        let dead = now - settings.retention_at(now) - SKEW;
        Self {
            expired: now - LEEWAY - SKEW,
            dead,
            revocations: (now - SKEW, now - LEASE_LIFETIME - SKEW),
            leased: dead - LEASE_LIFETIME,
            fetched: now - REMEMBERED,
        }
    }
}

/// One process's way through the tables.
pub struct Purge {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    /// How far it has come in the tables that it goes through page by page.
    grants_after: Uuid,
    leases_after: Uuid,
}

impl Purge {
    pub fn new(store: Store, clock: Clock, entropy: Entropy) -> Self {
        Self { store, clock, entropy, grants_after: Uuid::nil(), leases_after: Uuid::nil() }
    }

    /// As much as may be done in a few seconds. Goes on where the last round stopped.
    pub async fn round(&mut self) -> Result<Purged, Error> {
        self.run(ROUND).await
    }

    /// All that may be removed now, however long it takes.
    pub async fn everything(mut self) -> Result<Purged, Error> {
        (self.grants_after, self.leases_after) = (Uuid::nil(), Uuid::nil());
        self.run(EVERYTHING).await
    }

    async fn run(&mut self, effort: Effort) -> Result<Purged, Error> {
        let now = self.clock.now();
        let settings = settings::load(&mut self.store.reading().await?).await?;
        let Cutoffs { expired, dead, revocations, leased, fetched } = Cutoffs::new(&settings, now);
        let mut purged = Purged::default();
        purged.grants += self.drain(effort, async |c| purge::expired_grants(c, expired).await).await?;
        purged.grants += self.drain(effort, async |c| purge::revoked_grants(c, dead).await).await?;
        let idle = async |c: &mut Connection, page| purge::idle_grants(c, page, dead).await;
        let walked = self.walk(effort, self.grants_after, purge::grants_page, idle).await?;
        (self.grants_after, purged.grants) = (walked.0, purged.grants + walked.1);
        purged.revocations = self.drain(effort, async |c| purge::revocations(c, revocations).await).await?;
        purged.status_leases = self.drain(effort, async |c| purge::client_leases(c, leased).await).await?;
        let empty = async |c: &mut Connection, page| purge::empty_grant_leases(c, page, leased).await;
        let walked = self.walk(effort, self.leases_after, purge::leases_page, empty).await?;
        (self.leases_after, purged.status_leases) = (walked.0, purged.status_leases + walked.1);
        purged.status_lists = self.store.exclusively(Exclusive::Purge, purge::retired_lists).await?;
        purged.login_throttles = self.drain(effort, async |c| purge::login_throttles(c, now).await).await?;
        purged.known_addresses = self.drain(effort, async |c| purge::known_addresses(c, now - KNOWN).await).await?;
        let (arrived, abandoned) = (now - DELIVERED_KEPT, now - GIVEN_UP_KEPT);
        purged.webhook_deliveries += self.drain(effort, async |c| purge::delivered(c, arrived).await).await?;
        purged.webhook_deliveries += self.drain(effort, async |c| purge::given_up(c, abandoned).await).await?;
        self.drain(effort, async |c| purge::overdue(c, now).await).await?;
        purged.key_set_fetches = self.drain(effort, async |c| purge::key_set_fetches(c, fetched).await).await?;
        purged.audit_events = self.audit_events(effort, (now, settings.audit_retention)).await?;
        Ok(purged)
    }

    /// Removes the events of seal after seal: a transaction each, of up to ten batches' size.
    async fn audit_events(&self, effort: Effort, due: (DateTime<Utc>, i64)) -> Result<usize, Error> {
        let mut removed = 0;
        for _ in 0..effort.batches.div_ceil(10) {
            let began = Instant::now();
            let one = async |connection: &mut Connection| audit::purge::purge_one(connection, &self.entropy, due).await;
            let Some(events) = self.store.exclusively(Exclusive::Purge, one).await? else { break };
            removed += events;
            rest(began).await;
        }
        Ok(removed)
    }

    /// Removes batch by batch until one is not full.
    async fn drain(
        &self,
        effort: Effort,
        remove: impl AsyncFn(&mut Connection) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        let mut removed = 0;
        for _ in 0..effort.batches {
            let began = Instant::now();
            let batch = self.store.exclusively(Exclusive::Purge, &remove).await?;
            removed += batch;
            if i64::try_from(batch).is_ok_and(|batch| batch < BATCH) {
                break;
            }
            rest(began).await;
        }
        Ok(removed)
    }

    /// Goes through a table from behind `after`, page by page. Answers how far it came (the nil UUID at the end, to begin
    /// anew) and how many rows were removed.
    async fn walk(
        &self,
        effort: Effort,
        mut after: Uuid,
        page: impl AsyncFn(&mut Connection, Uuid) -> Result<Option<Uuid>, Error>,
        remove: impl AsyncFn(&mut Connection, (Uuid, Uuid)) -> Result<usize, Error>,
    ) -> Result<(Uuid, usize), Error> {
        let mut removed = 0;
        for _ in 0..effort.pages {
            let began = Instant::now();
            let end = page(&mut self.store.reading().await?, after).await?;
            let range = (after, end.unwrap_or(Uuid::max()));
            let batch = async |connection: &mut Connection| remove(connection, range).await;
            removed += self.store.exclusively(Exclusive::Purge, batch).await?;
            let Some(end) = end else { return Ok((Uuid::nil(), removed)) };
            after = end;
            rest(began).await;
        }
        Ok((after, removed))
    }
}

/// As long as the work since `began` took, so that requests have the database for half of the time at least.
async fn rest(began: Instant) {
    tokio::time::sleep(began.elapsed()).await;
}
