//! What an administrator does, on a database, with a clock that is moved by hand.

mod inspect;

use std::sync::Arc;

use chrono::Duration;

use super::clients::{ClientChange, NewClient};
use super::grants::{Filter, GrantState};
use super::resource_servers::{NewResourceServer, ResourceServerChange};
use super::settings::SettingsChange;
use super::users::NewUser;
use super::*;
use crate::keys::Activation;
use crate::keys::master::{MasterKeyRing, create_file};
use crate::oauth::{Directory, KnownClient};
use crate::password::{Parameters, Pool, PoolSettings};
use crate::protocol::client::GrantType;
use crate::protocol::jwk::Algorithm;
use crate::status::{Allocator, Taker};
use crate::store::audit_events;
use crate::store::grants::{self, Grant};
use crate::store::{Database, Json, Spelled};

const API: &str = "https://api.example.com";

struct Desk {
    admin: Admin,
    master: Arc<MasterKeyRing>,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// An issuer with one API, one client and one user.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, entropy) = (Clock::manual("2026-11-24T21:00:00Z".parse().unwrap()), Entropy::seeded(1));
        let store = Store::open(Database::Sqlite(folder.path().join("signet.db")), 2).unwrap();
        store.migrate().await.unwrap();
        let key_file = folder.path().join("master.key");
        create_file(&key_file, &entropy).unwrap();
        let master = Arc::new(MasterKeyRing::load(&key_file).unwrap());
        let keys = Arc::new(Keys::new(store.clone(), clock.clone(), entropy.clone(), master.clone()));
        let cheap = PoolSettings {
            workers: 1,
            queue: 1,
            deadline: std::time::Duration::from_secs(10),
            parameters: Parameters::new(8, 1, 1).unwrap(),
            breached: None,
        };
        let passwords = Arc::new(Pool::new(&cheap, entropy.clone()).unwrap());
        let admin = Admin {
            store,
            clock,
            entropy,
            keys,
            passwords,
            actor: "test".to_owned(),
            origin: Origin::default(),
            provider: None,
            expected_versions: None,
            named: None,
        };
        let server = NewResourceServer {
            audience: API.to_owned(),
            scope: "read write".parse().unwrap(),
            access_token_lifetime: None,
            signing_algorithm: Algorithm::ES256,
        };
        admin.create_resource_server(server).await.unwrap();
        admin.create_client(client("erp")).await.unwrap();
        let password = Secret::new("violet tractor ledger mango");
        admin.create_user(NewUser { username: "Anna".to_owned(), email: None, password }).await.unwrap();
        Self { admin, master, _folder: folder }
    }

    /// A login, as the password grant records it.
    async fn log_in(&self) -> Grant {
        let Admin { store, clock, entropy, .. } = self.later();
        let now = clock.now();
        let status = Allocator::new(store.clone(), clock.clone(), entropy.clone()).next(Taker::Grant).await.unwrap();
        let mut connection = store.writing().await.unwrap();
        let grant = Grant {
            id: entropy.ordered_uuid(now),
            client_id: clients::find(&mut connection, "erp").await.unwrap().id,
            user_id: users::find(&mut connection, "anna").await.unwrap().id,
            audiences: Json(vec![API.to_owned()]),
            scope: Spelled("read".parse().unwrap()),
            generation: 1,
            created_at: now,
            rotated_at: None,
            idle_expires_at: now + Duration::days(14),
            expires_at: now + Duration::days(90),
            revoked_at: None,
            revoked_reason: None,
            status_list_id: status.list,
            status_index: status.index,
        };
        grants::insert(&mut connection, &grant).await.unwrap();
        grant
    }

    /// The administrator, a moment later: what follows is then told from what went before by its time.
    fn later(&self) -> &Admin {
        self.admin.clock.advance(Duration::milliseconds(1));
        &self.admin
    }

    async fn stored(&self, grant: &Grant) -> Option<Grant> {
        grants::find(&mut self.admin.store.reading().await.unwrap(), grant.id).await.unwrap()
    }

    /// Whether the published bit of the grant's tokens is set.
    async fn is_bit_set(&self, grant: &Grant) -> bool {
        let mut connection = self.admin.store.reading().await.unwrap();
        let (list, index) = (grant.status_list_id, grant.status_index);
        crate::store::status::revoked_at(&mut connection, list, index).await.unwrap().is_some()
    }

    async fn last_event(&self) -> (String, String) {
        let mut connection = self.admin.store.reading().await.unwrap();
        let event = audit_events::newest(&mut connection, 1).await.unwrap().remove(0);
        (event.action, event.target)
    }

    /// The client as the token endpoint finds it.
    async fn known(&self) -> Arc<KnownClient> {
        Directory::new(self.admin.store.clone()).client("erp").await.unwrap().unwrap()
    }
}

fn client(client_id: &str) -> NewClient {
    NewClient::new(client_id, &[GrantType::Password, GrantType::RefreshToken], &[API])
}

#[tokio::test]
async fn a_new_password_and_a_disabled_user_end_every_grant() {
    let desk = Desk::new().await;
    let first = desk.log_in().await;
    desk.later().set_password("ANNA", Secret::new("seven otters paint slowly")).await.unwrap();
    assert_eq!(desk.stored(&first).await.unwrap().revoked_reason.as_deref(), Some("password changed"));
    assert!(desk.is_bit_set(&first).await);
    assert_eq!(desk.last_event().await, ("user.set_password".to_owned(), "user:Anna".to_owned()));

    let second = desk.log_in().await;
    let done = desk.later().disable_user("anna").await.unwrap();
    assert!(done.view.disabled_at.is_some() && done.notes[0].starts_with("1 grant(s)"), "{:?}", done.notes);
    assert_eq!(desk.stored(&second).await.unwrap().revoked_reason.as_deref(), Some("user disabled"));
    desk.admin.enable_user("anna").await.unwrap();
    assert!(desk.is_bit_set(&second).await, "enabling revives nothing");
}

#[tokio::test]
async fn tokens_of_the_deleted_stay_revoked_without_their_grants() {
    let desk = Desk::new().await;
    let grant = desk.log_in().await;
    desk.admin.delete_client("erp").await.unwrap();
    assert!(desk.stored(&grant).await.is_none() && desk.is_bit_set(&grant).await);
    assert!(matches!(desk.admin.client("erp").await, Err(Error::NotFound { .. })));

    desk.admin.create_client(client("erp")).await.unwrap();
    let grant = desk.log_in().await;
    desk.later().delete_user("anna").await.unwrap();
    assert!(desk.stored(&grant).await.is_none() && desk.is_bit_set(&grant).await);
    assert_eq!(desk.last_event().await, ("user.delete".to_owned(), "user:Anna".to_owned()));
}

#[tokio::test]
async fn a_disabled_client_keeps_its_grants() {
    let desk = Desk::new().await;
    let grant = desk.log_in().await;
    desk.admin.disable_client("erp").await.unwrap();
    assert!(desk.stored(&grant).await.unwrap().revoked_at.is_none() && !desk.is_bit_set(&grant).await);
}

#[tokio::test]
async fn an_old_secret_ends_when_it_was_told_to() {
    let desk = Desk::new().await;
    let old = desk.admin.rotate_client_secret("erp", None).await.unwrap().client_secret.unwrap();
    let new = desk.admin.rotate_client_secret("erp", Some(3600)).await.unwrap().client_secret.unwrap();
    let now = desk.admin.clock.now();
    let known = desk.known().await;
    assert!(known.has_secret(&old, now) && known.has_secret(&new, now));
    assert!(!known.has_secret(&old, now + Duration::seconds(3600)), "an hour later");

    assert!(matches!(desk.admin.rotate_client_secret("erp", Some(60)).await, Err(Error::Refused(_))));
    assert!(desk.known().await.has_secret(&old, now), "a refusal changes nothing");
    desk.admin.clock.advance(Duration::hours(1));
    desk.admin.rotate_client_secret("erp", Some(60)).await.unwrap();
    let third = desk.admin.rotate_client_secret("erp", None).await.unwrap().client_secret.unwrap();
    let (known, now) = (desk.known().await, desk.admin.clock.now());
    assert!(known.has_secret(&third, now) && !known.has_secret(&new, now));
}

#[tokio::test]
async fn another_algorithm_signs_only_when_verifiers_can_know_its_key() {
    let desk = Desk::new().await;
    let admin = &desk.admin;
    let to = |algorithm| ResourceServerChange { signing_algorithm: Some(algorithm), ..Default::default() };
    let now = admin.clock.now();
    let view = admin.update_resource_server(API, to(Algorithm::EdDSA)).await.unwrap().view;
    assert_eq!(view.former_signing_algorithm, Some(Algorithm::ES256));
    assert_eq!(view.signing_algorithm_since, Some(now + Duration::seconds(86_400)));
    admin.keys.maintain().await.unwrap();
    let keys = admin.signing_keys().await.unwrap().view;
    let state = |alg| keys.iter().find(|key| key.alg == alg).unwrap().state.as_str();
    assert_eq!((state(Algorithm::ES256), state(Algorithm::EdDSA)), ("signing", "published"));

    let back = admin.update_resource_server(API, to(Algorithm::ES256)).await.unwrap();
    assert_eq!((back.view.former_signing_algorithm, back.notes.len()), (None, 0), "back to what signs: at once");

    admin.clock.advance(Duration::days(2));
    let view = admin.update_resource_server(API, to(Algorithm::EdDSA)).await.unwrap().view;
    assert_eq!(view.former_signing_algorithm, None, "its key has been known for long");
    assert_eq!(admin.signing_keys().await.unwrap().view.len(), 2, "no further key was made");
}

#[tokio::test]
async fn grants_are_listed_and_revoked_by_their_holders() {
    let desk = Desk::new().await;
    let (first, second) = (desk.log_in().await, desk.log_in().await);
    let of_anna = Filter { username: Some("anna".to_owned()), ..Filter::default() };
    let one = Filter { grant_id: Some(first.id), ..Filter::default() };
    assert!(matches!(desk.admin.revoke(&Filter::default()).await, Err(Error::Invalid { .. })));
    assert_eq!(desk.admin.revoke(&one).await.unwrap().view.revoked, 1);
    let live = desk.admin.grants(&of_anna, false, uuid::Uuid::nil(), 10).await.unwrap();
    assert_eq!(live.iter().map(|grant| grant.grant_id).collect::<Vec<_>>(), [second.id]);
    let all = desk.admin.grants(&of_anna, true, uuid::Uuid::nil(), 10).await.unwrap();
    assert_eq!(all.iter().map(|grant| grant.state).collect::<Vec<_>>(), [GrantState::Revoked, GrantState::Live]);
    assert_eq!((all[0].username.as_str(), all[0].client_id.as_str()), ("Anna", "erp"));
    assert_eq!(desk.admin.revoke(&of_anna).await.unwrap().view.revoked, 1, "the other is revoked already");
    assert!(desk.is_bit_set(&second).await);
}

#[tokio::test]
async fn a_change_of_configuration_is_counted_and_a_refusal_is_not() {
    let desk = Desk::new().await;
    let revision = async |topic: Topic| {
        let mut connection = desk.admin.store.reading().await.unwrap();
        revisions::current(&mut connection).await.unwrap()[topic.as_str()]
    };
    let before = revision(Topic::Configuration).await;
    let too_long = ClientChange { access_token_lifetime: Some(Choice::Own(90_000)), ..Default::default() };
    assert!(matches!(desk.later().update_client("erp", too_long).await, Err(Error::Refused(_))));
    assert_eq!(revision(Topic::Configuration).await, before);
    let keys = revision(Topic::Keys).await;
    let retention = SettingsChange { key_retention: Some(100_000), ..Default::default() };
    desk.later().change_settings(retention).await.unwrap();
    assert_eq!((revision(Topic::Configuration).await, revision(Topic::Keys).await), (before + 1, keys + 1));
    assert_eq!(desk.last_event().await, ("settings.change".to_owned(), "settings".to_owned()));
    let same = ClientChange { access_token_lifetime: Some(Choice::Default), ..Default::default() };
    desk.later().update_client("erp", same).await.unwrap();
    assert_eq!(desk.last_event().await.0, "settings.change", "nothing changed, so nothing is recorded");
}

#[tokio::test]
async fn the_longest_lifetime_anywhere_bounds_the_retention() {
    let desk = Desk::new().await;
    let long = ClientChange { access_token_lifetime: Some(Choice::Own(7200)), ..Default::default() };
    desk.later().update_client("erp", long).await.unwrap();
    let short = SettingsChange { key_retention: Some(7200), ..Default::default() };
    let refused = desk.later().change_settings(short).await.unwrap_err().to_string();
    assert!(refused.contains("2h, of client erp") && refused.contains("set it to 2h 1m"), "{refused}");
}

#[tokio::test]
async fn a_name_is_a_clients_or_an_apis_but_not_both() {
    let desk = Desk::new().await;
    desk.admin.create_client(client("urn:example:erp")).await.unwrap();
    let server = NewResourceServer {
        audience: "urn:example:erp".to_owned(),
        scope: "read".parse().unwrap(),
        access_token_lifetime: None,
        signing_algorithm: Algorithm::ES256,
    };
    assert!(matches!(desk.admin.create_resource_server(server).await, Err(Error::Refused(_))));
    assert!(matches!(desk.admin.create_client(client(API)).await, Err(Error::Refused(_))));
    assert!(matches!(desk.admin.create_client(client("erp")).await, Err(Error::Exists { .. })));
    let at_once = desk.admin.rotate_keys(None, Activation::AtOnce).await.unwrap();
    assert!(at_once.notes[0].contains("5m (jwks_max_age)"), "{:?}", at_once.notes);
}
