//! Whoever alters the audit trail in the database is found out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signet::admin::audit_trail::Verification;
use signet::audit::canonical;
use signet::audit::findings::Kind;
use signet::keys::generate;
use signet::keys::jws::{Typ, encode_header, sign_compact};
use signet::keys::signer::LocalSigner;
use signet::keys::{Activation, GeneratedKey};
use signet::protocol::jwk::Algorithm;
use signet::store::audit_events::{self, Author};
use signet::store::audit_seals::{self, AuditSeal};

use crate::on_both;
use crate::purge::{DAY, KEY_RETENTION};
use crate::support::app::{App, Backend, claims};
use crate::support::bulk::count;

pub async fn verify(app: &App) -> Verification {
    app.admin().verify_audit_trail().await.unwrap()
}

#[track_caller]
pub fn kinds(found: &Verification) -> Vec<Kind> {
    assert_eq!(found.holds, found.findings.is_empty());
    found.findings.iter().map(|finding| finding.kind).collect()
}

/// Seals all that has happened, three events under a seal.
pub async fn seal(app: &App) -> usize {
    app.advance(180);
    app.provider.audit_trail().seal(3).await.unwrap().len()
}

pub async fn seals(app: &App) -> Vec<AuditSeal> {
    audit_seals::page(&mut app.provider.store.reading().await.unwrap(), 0, 1000).await.unwrap()
}

/// Some hours with some events in each.
pub async fn some_seals(app: &App) {
    for hour in 0..4 {
        app.user(&format!("user{hour}")).await;
        app.log_in().await;
        seal(app).await;
        app.advance(3600);
    }
    let found = verify(app).await;
    assert!(found.holds && found.seals >= 5 && found.events >= 10, "{found:?}");
    assert_eq!(found.unsealed_events, 0);
    // What the tests put back.
    app.sql("CREATE TABLE kept_events AS SELECT * FROM audit_events").await;
    app.sql("CREATE TABLE kept_seals AS SELECT * FROM audit_seals").await;
}

/// Alters the database, sees what a verification finds, and undoes it.
async fn altered(app: &App, statement: &str) -> Vec<Kind> {
    app.sql(statement).await;
    let found = verify(app).await;
    for table in ["events", "seals"] {
        app.sql(&format!("DELETE FROM audit_{table}; INSERT INTO audit_{table} SELECT * FROM kept_{table}")).await;
    }
    let after = verify(app).await;
    assert!(after.holds, "{after:?}");
    kinds(&found)
}

pub async fn insert_at(app: &App, seconds_ago: i64) {
    let at = app.clock.now() - chrono::Duration::seconds(seconds_ago);
    let event = Author::local("cli").event((app.provider.entropy.ordered_uuid(at), at), "late", "late", json!({}));
    audit_events::insert(&mut app.provider.store.writing().await.unwrap(), &event).await.unwrap();
}

/// A seal that says what its events then are, by a key of the forger's own, under its own name or another key's.
async fn forge(app: &App, number: i64, kid: Option<&str>) -> AuditSeal {
    let GeneratedKey { private_key, public_jwk } = generate(Algorithm::ES256, &app.provider.entropy).unwrap();
    let mut forged = seals(app).await.into_iter().find(|seal| seal.number == number).unwrap();
    let mut connection = app.provider.store.reading().await.unwrap();
    let events = audit_events::of_seal(&mut connection, number, None, 1000).await.unwrap();
    forged.hash = events.iter().fold(forged.previous_hash.clone(), |before, event| {
        let bytes = [before, canonical::bytes(event)].concat();
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref().to_vec()
    });
    let mut said: Value = claims(&forged.signature);
    said["hash"] = forged.hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    let header = encode_header(Algorithm::ES256, kid.unwrap_or(public_jwk.kid()), Typ::AuditSeal);
    let signer = LocalSigner::open(Algorithm::ES256, &private_key).unwrap();
    forged.signature = sign_compact(&header, said.to_string().as_bytes(), &signer).unwrap();
    forged.kid = kid.unwrap_or(public_jwk.kid()).to_owned();
    forged.public_jwk = signet::store::Json(public_jwk);
    forged
}

async fn put(app: &App, seal: &AuditSeal) {
    app.sql(&format!("DELETE FROM audit_seals WHERE number = {}", seal.number)).await;
    audit_seals::insert(&mut app.provider.store.writing().await.unwrap(), seal).await.unwrap();
}

on_both! {
    async fn an_event_that_is_altered_removed_added_or_moved_is_found(app) {
        some_seals(&app).await;
        let of_bert = "WHERE action = 'user.create' AND target = 'user:user1'";
        for column in ["target = 'user:mallory'", "actor = 'x'", "action = 'x'", "outcome = 'failure'",
            "address = '::1'", "request_id = 'x'", "details = '{\"email\": \"x\"}'"] {
            let found = altered(&app, &format!("UPDATE audit_events SET {column} {of_bert}")).await;
            assert_eq!(found, [Kind::EventsAltered], "{column}");
        }
        if app.backend() == Backend::Sqlite {
            // PostgreSQL takes no such thing.
            let no_json = format!("UPDATE audit_events SET details = '{{' {of_bert}");
            assert_eq!(altered(&app, &no_json).await, [Kind::Unreadable]);
        }
        assert_eq!(altered(&app, &format!("DELETE FROM audit_events {of_bert}")).await, [Kind::EventsMissing]);
        let id = if app.backend() == Backend::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        let added = format!(
            "INSERT INTO audit_events SELECT {id}, at, actor, action, target, details, address, request_id, outcome, seal
             FROM audit_events {of_bert}"
        );
        assert_eq!(altered(&app, &added).await, [Kind::EventsAdded]);
        let replaced = format!("{added}; DELETE FROM audit_events WHERE id = (SELECT id FROM kept_events {of_bert})");
        assert_eq!(altered(&app, &replaced).await, [Kind::EventsAltered]);
        // The last of one, or the first of the next.
        let moved = format!("UPDATE audit_events SET seal = 1 {of_bert}");
        assert_eq!(altered(&app, &moved).await, [Kind::EventMisplaced, Kind::EventsAdded, Kind::EventsMissing]);
        let nowhere = format!("UPDATE audit_events SET seal = 99 {of_bert}");
        assert_eq!(altered(&app, &nowhere).await, [Kind::EventsMissing, Kind::EventOfNoSeal]);
        // As if it had never been sealed: it is of hours ago.
        let unsealed = format!("UPDATE audit_events SET seal = NULL {of_bert}");
        assert_eq!(altered(&app, &unsealed).await, [Kind::EventsMissing, Kind::EventsUnsealed]);
    }

    async fn a_seal_that_is_altered_or_removed_is_found(app) {
        some_seals(&app).await;
        let last = seals(&app).await.len();
        assert_eq!(altered(&app, "DELETE FROM audit_seals WHERE number = 2").await[0], Kind::SealMissing);
        assert_eq!(altered(&app, "DELETE FROM audit_seals WHERE number = 1").await[0], Kind::SealMissing);
        let truncated = altered(&app, &format!("DELETE FROM audit_seals WHERE number = {last}")).await;
        assert!(!truncated.is_empty() && truncated.iter().all(|kind| *kind == Kind::EventOfNoSeal), "{truncated:?}");
        let hash = altered(&app, "UPDATE audit_seals SET hash = previous_hash WHERE number = 2").await;
        assert_eq!(hash, [Kind::SealAltered, Kind::EventsAltered, Kind::ChainBroken]);
        for column in ["events = events + 1", "first_at = sealed_at", "sealed_at = last_at", "kid = 'x'",
            "previous_hash = hash", "signature = 'x.y.z'"] {
            let found = altered(&app, &format!("UPDATE audit_seals SET {column} WHERE number = 2")).await;
            assert!(found.contains(&Kind::SealAltered), "{column}: {found:?}");
        }
        let other = "UPDATE audit_seals SET signature = (SELECT signature FROM kept_seals WHERE number = 1) WHERE number = 2";
        assert!(altered(&app, other).await.contains(&Kind::SealAltered), "the signature of another seal");
        let purged = altered(&app, "UPDATE audit_seals SET purged_at = sealed_at WHERE number = 2").await;
        assert!(purged.contains(&Kind::PurgedEarly) && purged.contains(&Kind::EventOfPurgedSeal), "{purged:?}");
        let gone = "UPDATE audit_seals SET purged_at = sealed_at WHERE number = 2; DELETE FROM audit_events WHERE seal = 2";
        assert_eq!(altered(&app, gone).await, [Kind::PurgedEarly]);
    }

    async fn a_seal_that_is_forged_by_another_key_is_found(app) {
        some_seals(&app).await;
        let newest = i64::try_from(seals(&app).await.len()).unwrap();
        let alter = async |number| {
            app.sql(&format!("UPDATE audit_events SET actor = 'client:nobody' WHERE seal = {number}")).await;
            put(&app, &forge(&app, number, None).await).await;
            verify(&app).await
        };
        let found = alter(newest).await;
        assert_eq!(kinds(&found), [Kind::KeyUnknown]);
        assert!(found.keys.iter().any(|key| !key.known && key.last_seal == newest));
        let known = found.keys[0].kid.clone();
        let forged = forge(&app, newest, Some(&known)).await;
        put(&app, &forged).await;
        assert_eq!(kinds(&verify(&app).await), [Kind::SealAltered], "the name of a key is not the key");
        put(&app, &forge(&app, newest, None).await).await;
        // The issuer goes on upon it, and says so for ever.
        app.user("carl").await;
        seal(&app).await;
        assert_eq!(kinds(&verify(&app).await), [Kind::PredecessorUnverified]);
        let found = alter(2).await;
        assert_eq!(kinds(&found)[..2], [Kind::ChainBroken, Kind::PredecessorUnverified]);

        // A key that is put among the issuer's, too, was not sealed under its master key.
        let jwk = "(SELECT public_jwk FROM audit_seals WHERE number = 2)";
        app.sql(&format!("UPDATE signing_keys SET kid = (SELECT kid FROM audit_seals WHERE number = 2), public_jwk = {jwk}")).await;
        assert!(app.admin().verify_audit_trail().await.is_err());
    }

    async fn seals_outlive_the_keys_that_signed_them_and_the_newest_ones_key_stays(app) {
        some_seals(&app).await;
        let old = seals(&app).await[0].kid.clone();
        app.admin().rotate_keys(None, Activation::AtOnce).await.unwrap();
        app.advance(KEY_RETENTION + DAY);
        app.provider.keys.maintain().await.unwrap();
        let found = verify(&app).await;
        assert!(found.keys[0].known && found.newest.as_ref().unwrap().kid == old, "the newest seal is by it: {found:?}");
        app.provider.keys.reload().await.unwrap();
        seal(&app).await;
        app.provider.keys.maintain().await.unwrap();
        let found = verify(&app).await;
        assert!(found.holds, "{found:?}");
        assert_eq!((found.keys[0].kid.as_str(), found.keys[0].known), (old.as_str(), false));
        assert!(found.keys.last().unwrap().known);
        // What lies beside a seal proves nothing by itself.
        put(&app, &forge(&app, 1, None).await).await;
        assert_eq!(kinds(&verify(&app).await), [Kind::PredecessorUnverified]);
    }

    async fn a_seal_by_a_key_that_was_revoked_before_is_found(app) {
        some_seals(&app).await;
        let kid = seals(&app).await[0].kid.clone();
        app.admin().revoke_key(&kid).await.unwrap();
        assert!(verify(&app).await.holds, "it was revoked later");
        let earlier = if app.backend() == Backend::Sqlite { "revoked_at - 4 * 3600 * 1000000" } else { "revoked_at - interval '4 hours'" };
        app.sql(&format!("UPDATE signing_keys SET revoked_at = {earlier} WHERE revoked_at IS NOT NULL")).await;
        let found = kinds(&verify(&app).await);
        assert!(!found.is_empty() && found.iter().all(|kind| *kind == Kind::KeyRevoked), "{found:?}");
    }

    async fn two_instances_that_seal_at_once_make_one_chain(app) {
        let other = app.second_instance().await;
        for number in 0..20 {
            app.user(&format!("user{number}")).await;
        }
        app.advance(180);
        let (here, there) = (app.provider.audit_trail(), other.provider.audit_trail());
        let (here, there) = tokio::join!(here.seal(2), there.seal(2));
        let (here, there) = (here.unwrap(), there.unwrap());
        let mut numbers: Vec<i64> = here.iter().chain(&there).map(|sealed| sealed.number).collect();
        numbers.sort_unstable();
        assert!(numbers.len() > 10 && numbers.iter().copied().eq(1..=i64::try_from(numbers.len()).unwrap()), "{numbers:?}");
        let found = verify(&other).await;
        assert!(found.holds && found.unsealed_events == 0, "{found:?}");
        assert_eq!(found.events, count(&app.config.database_url, "audit_events").await as u64);
    }

    async fn an_event_is_sealed_when_it_is_settled_and_a_late_one_falls_into_the_next_seal(app) {
        app.advance(180);
        assert_eq!(app.provider.audit_trail().seal_when_due(1000).await.unwrap().len(), 1);
        app.user("bert").await;
        app.advance(119);
        assert!(app.provider.audit_trail().seal(1000).await.unwrap().is_empty(), "not settled yet");
        app.advance(1);
        assert!(app.provider.audit_trail().seal_when_due(1000).await.unwrap().is_empty(), "there was one a moment ago");
        app.advance(3600);
        // Committed long after its time, which lies before that of the last seal.
        insert_at(&app, 7200).await;
        let sealed = app.provider.audit_trail().seal_when_due(1000).await.unwrap();
        assert_eq!((sealed.len(), sealed[0].number, sealed[0].events), (1, 2, 2));
        assert_eq!(app.events(|action| action == "late").await[0].seal, Some(2));
        let found = verify(&app).await;
        assert!(found.holds, "{found:?}");
        assert_eq!(found.newest.unwrap().hash, sealed[0].hash);
    }

    async fn events_that_wait_for_a_seal_for_long_are_a_finding(app) {
        app.advance(3 * 3600);
        assert!(verify(&app).await.holds);
        app.advance(2);
        let found = verify(&app).await;
        assert_eq!(kinds(&found), [Kind::EventsUnsealed]);
        assert!(found.findings[0].event_id.is_some());
    }
}

#[test]
fn the_signature_is_a_jws_that_says_what_the_seal_says() {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        seal(&app).await;
        let first = seals(&app).await.remove(0);
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(first.signature.split('.').next().unwrap()).unwrap())
                .unwrap();
        assert_eq!(header, json!({ "alg": "ES256", "kid": first.kid, "typ": "signet-audit-seal+jwt" }));
        let said = claims(&first.signature);
        assert_eq!(
            (&said["iss"], &said["number"], &said["previous_signature"]),
            (&json!(crate::support::app::ISSUER), &json!(1), &Value::Null)
        );
        assert_eq!(said["previous_hash"], "0".repeat(64));
    });
}
