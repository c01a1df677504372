//! The metrics, a function for each subject. A new subject is a function here, a line in [`ALL`], and a section in
//! `docs/operations/metrics.md`, which a test compares with what is answered.

use std::collections::BTreeSet;
use std::fmt::Result;

use chrono::{DateTime, TimeDelta, Utc};

use super::Snapshot;
use super::encoder::Encoder;
use crate::keys::State;
use crate::keys::ring::RingKey;
use crate::metrics::Load;
use crate::protocol::jwk::Algorithm;
use crate::store::PoolUsage;

type Collect = fn(&Snapshot, &mut Encoder<'_>) -> Result;

/// Every subject, in the order in which it is answered.
pub const ALL: &[Collect] = &[
    process,
    readiness,
    requests,
    loads,
    token_requests,
    password_grant,
    refreshes,
    introspections,
    password_hashing,
    database,
    signing_keys,
    revocations,
    webhooks,
    certificate,
];

fn process(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let version = [([("version", env!("CARGO_PKG_VERSION"))], 1_i64)];
    encoder.gauges(("signet_build_info", "The version that runs; always 1."), version)?;
    let started_at = snapshot.provider.metrics.started_at;
    let name = ("process_start_time_seconds", "When the process started, in seconds since 1970.");
    encoder.gauges(name, [([], since_1970(started_at))])?;
    let name = ("process_resident_memory_bytes", "Memory of the process that is in RAM; on Linux only.");
    encoder.gauges(name, resident_memory().map(|bytes| ([], bytes)))
}

fn since_1970(at: DateTime<Utc>) -> f64 {
    seconds(at - DateTime::UNIX_EPOCH)
}

/// Precise to the microsecond for as long as anything here lasts.
fn seconds(duration: TimeDelta) -> f64 {
    duration.as_seconds_f64()
}

#[cfg(target_os = "linux")]
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(not(target_os = "linux"))]
fn resident_memory() -> Option<u64> {
    None
}

fn readiness(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let provider = &snapshot.provider;
    let signs = provider.keys.ring().signing_key(Algorithm::ES256, provider.clock.now()).is_some();
    let ready = provider.directory.is_confirmed() && signs;
    encoder.gauges(("signet_ready", "1 when `/readyz` says so, 0 otherwise."), [([], i64::from(ready))])
}

fn requests(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let all = snapshot.provider.metrics.requests.all();
    let series = all.iter().flat_map(|(listener, route, durations)| {
        let by_class = durations.all();
        by_class.map(move |(class, reading)| ([("listener", *listener), ("route", route), ("status", class)], reading))
    });
    let name = ("signet_http_request_duration_seconds", "From a request's head to its answer, by route and status.");
    encoder.histograms(name, series)
}

fn loads(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    type Gauge = (&'static str, &'static str, fn(&Load) -> usize);
    type Count = (&'static str, &'static str, fn(&Load) -> u64);
    const GAUGES: [Gauge; 2] = [
        ("signet_connections", "Connections that are open.", |load| load.connections),
        ("signet_requests_in_flight", "Requests that are being answered and count as load.", |load| load.in_flight),
    ];
    const COUNTS: [Count; 5] = [
        ("signet_connections_refused", "Connections closed at once: too many.", |load| load.connections_refused),
        ("signet_connections_evicted", "Quiet connections closed for new ones.", |load| load.connections_evicted),
        ("signet_requests_shed", "Requests answered 503: too many in flight.", |load| load.shed),
        ("signet_requests_rate_limited", "Requests answered 429: too many from an address.", |load| load.rate_limited),
        ("signet_answers_held_back", "Answers with Retry-After held back: too many.", |load| load.held_back),
    ];
    let loads = snapshot.provider.metrics.loads.all();
    for (name, help, gauge) in GAUGES {
        let series = loads.iter().map(|(listener, load)| ([("listener", *listener)], gauge(load) as u64));
        encoder.gauges((name, help), series)?;
    }
    for (name, help, count) in COUNTS {
        let series = loads.iter().map(|(listener, load)| ([("listener", *listener)], count(load)));
        encoder.counters((name, help), series)?;
    }
    Ok(())
}

fn token_requests(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let all = snapshot.provider.metrics.token_requests.all();
    let series = all.map(|(grant_type, outcome, count)| ([("grant_type", grant_type), ("outcome", outcome)], count));
    encoder.counters(("signet_token_requests", "Requests to the token endpoint, by grant type and outcome."), series)
}

fn password_grant(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let all = snapshot.provider.password_grant_uses.all();
    let series = all.iter().flat_map(|(client_id, uses)| {
        [("success", uses.successes), ("failure", uses.failures)]
            .map(|(outcome, count)| ([("client_id", client_id.as_str()), ("outcome", outcome)], count))
    });
    let name = ("signet_password_grant_logins", "Logins by the password grant, by client and outcome.");
    encoder.counters(name, series)?;
    let name = ("signet_logins_throttled", "Logins answered 429: too many attempts under a name or from an address.");
    encoder.counters(name, [([], snapshot.provider.metrics.logins_throttled.total())])
}

fn refreshes(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let metrics = &snapshot.provider.metrics;
    let name = ("signet_refresh_retries", "Refreshes that were answered with the same successor again.");
    encoder.counters(name, [([], metrics.refresh_retries.get())])?;
    let name = ("signet_refresh_reuses", "Used refresh tokens that were presented again, and ended their grant.");
    encoder.counters(name, [([], metrics.refresh_reuses.get())])
}

fn introspections(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let all = snapshot.provider.metrics.introspections.all();
    let series = all.map(|(_, outcome, count)| ([("outcome", outcome)], count));
    encoder.counters(("signet_introspections", "Introspections, by outcome."), series)
}

fn password_hashing(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let passwords = &snapshot.provider.passwords;
    let (threads, places) = passwords.limits();
    let computations = passwords.computations() as u64;
    encoder.counters(("signet_password_hashes", "Password hashes computed."), [([], computations)])?;
    for (name, help, value) in [
        ("signet_password_hashing", "Threads that hash a password now.", passwords.hashing()),
        ("signet_password_hashing_limit", "Threads that may.", threads),
        ("signet_password_queue_waiting", "Logins that wait for such a thread.", passwords.waiting()),
        ("signet_password_queue_limit", "Logins that may wait.", places),
    ] {
        encoder.gauges((name, help), [([], value as u64)])?;
    }
    let observed = passwords.observed();
    let (full, timeout) = (observed.turned_away.total(), observed.timed_out.total());
    let refused = [("full", full), ("timeout", timeout), ("gone", observed.left.get())];
    let refused = refused.map(|(reason, count)| ([("reason", reason)], count));
    encoder.counters(("signet_password_queue_refused", "Logins that were not hashed, by reason."), refused)?;
    let name = ("signet_password_queue_wait_seconds", "How long logins waited for a thread.");
    encoder.histograms(name, [([], observed.waits.read())])
}

fn database(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    type Figure = (&'static str, &'static str, fn(&PoolUsage) -> usize);
    const FIGURES: [Figure; 4] = [
        ("signet_database_pool_limit", "Connections that may be open.", |pool| pool.most),
        ("signet_database_pool_size", "Connections that are open.", |pool| pool.open),
        ("signet_database_pool_available", "Open connections that nobody uses.", |pool| pool.idle),
        ("signet_database_pool_waiting", "Requests that wait for a connection.", |pool| pool.waiting),
    ];
    let pools = snapshot.provider.store.pool_usage();
    for (name, help, figure) in FIGURES {
        encoder.gauges((name, help), pools.iter().map(|pool| ([("pool", pool.name)], figure(pool) as u64)))?;
    }
    let name = ("signet_database_confirmation_age_seconds", "How old what is answered from memory may be at most.");
    let age = snapshot.provider.directory.confirmed_for();
    encoder.gauges(name, age.map(|age| ([], age.as_secs_f64())))
}

const STATES: [State; 5] = [State::Published, State::Signing, State::Verifying, State::Expired, State::Revoked];

fn signing_keys(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let (keys, now) = (&snapshot.provider.keys, snapshot.provider.clock.now());
    let ring = keys.ring();
    let algorithms: BTreeSet<Algorithm> = ring.keys().iter().map(RingKey::algorithm).collect();
    let states = STATES.map(|state| (state, state.to_string()));
    let count = |algorithm, state| {
        ring.keys().iter().filter(|key| key.algorithm() == algorithm && key.state(now) == state).count() as u64
    };
    let counts = algorithms.iter().flat_map(|algorithm| {
        let labels = |name| [("algorithm", algorithm.as_str()), ("state", name)];
        states.each_ref().map(|(state, name)| (labels(name.as_str()), count(*algorithm, *state)))
    });
    encoder.gauges(("signet_signing_keys", "Signing keys, by algorithm and state."), counts)?;
    let next = algorithms.iter().filter_map(|algorithm| {
        let staged = ring.keys().iter().filter(|key| key.algorithm() == *algorithm);
        let staged = staged.filter(|key| key.state(now) == State::Published).filter_map(|key| key.next_transition(now));
        Some(([("algorithm", algorithm.as_str())], seconds(staged.min()? - now)))
    });
    encoder.gauges(("signet_signing_key_next_activation_seconds", "Until the next key begins to sign."), next)?;
    let in_use = snapshot.algorithms.iter().flatten();
    let due = in_use.filter_map(|algorithm| {
        let interval = TimeDelta::seconds(snapshot.settings?.key_rotation_interval);
        let due_at = ring.signing_key(*algorithm, now)?.opened().active_at + interval;
        Some(([("algorithm", algorithm.as_str())], seconds(due_at - now)))
    });
    let name = ("signet_signing_key_rotation_due_seconds", "Until the key that signs is to be followed by another.");
    encoder.gauges(name, due)?;
    let publication = snapshot.settings.map(|settings| ([], seconds(settings.publication_at(now))));
    let name = ("signet_signing_key_publication_seconds", "How long a key is published before it signs, at least.");
    encoder.gauges(name, publication)?;
    let age = keys.read_at().map(|at| ([], seconds(now - at)));
    encoder.gauges(("signet_key_ring_age_seconds", "Since the ring of keys was read; a change has it read anew."), age)
}

fn revocations(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let name = ("signet_revocation_propagation_seconds", "From a revocation until this instance knew of it.");
    encoder.histograms(name, [([], snapshot.provider.lists.learning.read())])
}

fn webhooks(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let name =
        ("signet_webhook_deliveries_pending", "Security events that are still to be delivered, of all webhooks.");
    encoder.gauges(name, snapshot.pending.map(|pending| ([], pending)))
}

fn certificate(snapshot: &Snapshot, encoder: &mut Encoder<'_>) -> Result {
    let not_after = snapshot.provider.metrics.certificate_not_after.get();
    let name =
        ("signet_tls_certificate_not_after_seconds", "Until when the certificate is valid, in seconds since 1970.");
    encoder.gauges(name, not_after.map(|at| ([], since_1970(at))))
}
