//! Backups: what is restored goes on as if nothing had happened, and what is not a whole backup is refused.

use signet::admin::webhooks::NewWebhook;
use signet::backup::age::Work;
use signet::backup::{Backup, BackupError, Contents, Creation, Restoration};
use signet::cli::compose;
use signet::config::{Config, DatabaseUrl};
use signet::entropy::Entropy;
use signet::keys::master::MasterKeyRing;
use signet::secret::Secret;
use signet::store::Connection;
use signet::store::audit_events::{self, AuditEvent};
use signet::store::tables::{self, Table};

use crate::on_both;
use crate::support::app::{App, Backend, PASSWORD, Place, claims};
use crate::support::receiver::{Receiver, to};

pub const PASSPHRASE: &str = "seven otters paint slowly";

pub async fn back_up(app: &App) -> Vec<u8> {
    let creation = Creation {
        store: &app.provider.store,
        master: &MasterKeyRing::load(&app.config.master_key_file).unwrap(),
        clock: &app.clock,
        entropy: &app.provider.entropy,
        issuer: Some("https://auth.example".to_owned()),
        work: Work::TRIVIAL,
    };
    creation.write(Vec::new(), &Secret::new(PASSPHRASE), |_, _| ()).await.unwrap().1
}

/// Restores where the configuration says.
async fn restore(config: &Config, app: &App, backup: &[u8]) -> Result<Contents, BackupError> {
    let store = compose::store(config).await.unwrap();
    let master = MasterKeyRing::load(&config.master_key_file).unwrap();
    let restoration = Restoration { store: &store, master: &master, clock: &app.clock, entropy: &Entropy::seeded(8) };
    restoration.of(Backup::open(backup, &Secret::new(PASSPHRASE))?, |_, _| ()).await
}

pub fn verify(backup: &[u8], passphrase: &str) -> Result<Contents, BackupError> {
    Backup::open(backup, &Secret::new(passphrase))?.verify(|_, _| ())
}

fn other(app: &App) -> Backend {
    match app.config.database_url {
        DatabaseUrl::Sqlite(_) => Backend::Postgres,
        DatabaseUrl::Postgres(_) => Backend::Sqlite,
    }
}

async fn add_events(app: &App, count: usize) {
    let event = || AuditEvent {
        id: app.provider.entropy.ordered_uuid(app.clock.now()),
        at: app.clock.now(),
        actor: "test".to_owned(),
        action: "test".to_owned(),
        target: "test".to_owned(),
        details: signet::store::Json(serde_json::json!({})),
        address: None,
        request_id: None,
        outcome: "success".to_owned(),
        seal: None,
    };
    let insert = async |connection: &mut Connection| -> Result<(), signet::store::Error> {
        for _ in 0..count {
            audit_events::insert(connection, &event()).await?;
        }
        Ok(())
    };
    app.provider.store.transaction(insert).await.unwrap();
}

on_both! {
    async fn an_issuer_restored_on_the_other_database_under_another_master_key_goes_on(app) {
        let user = app.log_in().await;
        let user = app.refresh(user.refresh()).await.tokens();
        let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
        let revoked = app.log_in().await;
        app.post("/oauth2/revoke", &[("token", revoked.refresh())]).await;
        let receiver = Receiver::start().await;
        let authorization = Some(Secret::new("Bearer oyster-lantern-64-meadow"));
        app.admin().create_webhook(NewWebhook { authorization, ..to(receiver.url()) }).await.unwrap();
        app.admin().test_webhook("siem").await.unwrap();
        let keys = app.get("/.well-known/jwks.json").await.json();
        app.provider.keys.rotate(signet::keys::Activation::Published, &signet::store::audit_events::Author::signet()).await.unwrap();
        // More than a page.
        add_events(&app, 2100).await;
        let backup = back_up(&app).await;
        assert!(verify(&backup, PASSPHRASE).unwrap().rows["audit_events"] > 2100);

        let rotated_after = app.refresh(app.refresh(user.refresh()).await.tokens().refresh()).await.tokens();
        let revoked_after = app.log_in().await;

        app.advance(1);
        let Some(place) = Place::new(other(&app)).await else { return };
        let contents = restore(&place.config, &app, &backup).await.unwrap();
        assert_eq!(contents.issuer.as_deref(), Some("https://auth.example"));
        let restored = app.moved_to(place).await;

        for key in keys["keys"].as_array().unwrap() {
            let restored = restored.get("/.well-known/jwks.json").await.json();
            assert!(restored["keys"].as_array().unwrap().contains(key), "{key} is not in {restored}");
        }
        assert!(restored.is_active(&user.access_token).await);
        assert!(restored.is_active(&own.access_token).await);
        assert!(!restored.is_active(&revoked.access_token).await);
        restored.refresh(revoked.refresh()).await.refused(400, "invalid_grant");
        // The backup stands two generations behind this token, which this issuer did hand out.
        let next = restored.refresh(rotated_after.refresh()).await.tokens();
        assert!(restored.is_active(&next.access_token).await);
        // What was made after the backup is gone.
        restored.refresh(revoked_after.refresh()).await.refused(400, "invalid_grant");
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        assert_eq!(restored.token(&form).await.status, 200);
        let event = restored.newest_event().await;
        assert_eq!(event.action, "backup.restore");
        // What was on its way goes on, and the receiver still knows who tells it.
        assert_eq!(restored.push().await, 2, "the test and the new key");
        assert_eq!(receiver.received()[0].header("authorization"), Some("Bearer oyster-lantern-64-meadow"));
    }

    async fn a_restored_issuer_hands_out_no_status_index_that_may_be_taken(app) {
        let list = |token: &str| {
            let uri = claims(token)["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
            uri.rsplit('/').next().unwrap().parse::<i64>().unwrap()
        };
        let before = app.log_in().await;
        let backup = back_up(&app).await;
        let Some(place) = Place::new(other(&app)).await else { return };
        restore(&place.config, &app, &backup).await.unwrap();
        let restored = app.moved_to(place).await;
        assert!(list(&restored.log_in().await.access_token) >= list(&before.access_token) + 1000);
    }

    async fn a_snapshot_does_not_see_what_is_written_meanwhile(app) {
        let counted = async |connection: &mut Connection| tables::count(connection, Table::AuditEvents).await;
        let both = async |connection: &mut Connection| -> Result<_, signet::store::Error> {
            let before = counted(connection).await?;
            add_events(&app, 3).await;
            Ok((before, counted(connection).await?))
        };
        let (before, after) = app.provider.store.snapshot(both).await.unwrap();
        assert_eq!(before, after);
        assert_eq!(app.provider.store.snapshot(counted).await.unwrap(), before + 3);
    }

    async fn a_backup_is_one_state_while_the_issuer_serves(app) {
        let mut tokens = app.log_in().await;
        add_events(&app, 3000).await;
        let done = std::cell::Cell::new(false);
        let backing_up = async {
            let backup = back_up(&app).await;
            done.set(true);
            backup
        };
        let serving = async {
            while !done.get() {
                tokens = app.refresh(tokens.refresh()).await.tokens();
                add_events(&app, 1).await;
            }
            tokens
        };
        let (backup, newest) = tokio::join!(backing_up, serving);
        let Some(place) = Place::new(other(&app)).await else { return };
        restore(&place.config, &app, &backup).await.unwrap();
        app.moved_to(place).await.refresh(newest.refresh()).await.tokens();
    }

    async fn only_an_empty_database_is_restored_into(app) {
        let backup = back_up(&app).await;
        let refused = restore(&app.config, &app, &backup).await.unwrap_err();
        assert!(refused.to_string().starts_with("the database is not empty: it has 1 rows in users"), "{refused}");
        let tokens = app.log_in().await;
        assert!(app.is_active(&tokens.access_token).await, "nothing has changed");
    }

    async fn nothing_is_restored_of_a_backup_that_is_damaged_or_cut_short(app) {
        add_events(&app, 1500).await;
        let backup = back_up(&app).await;
        let Some(place) = Place::new(other(&app)).await else { return };
        let mut flipped = backup.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 4;
        for (damaged, says) in [
            (&flipped[..], "it is damaged or cut short, in the 64 KiB behind byte"),
            (&backup[..backup.len() - 1], "it is damaged or cut short, in the 64 KiB behind byte"),
            (&backup[..100], "it is not an encrypted file"),
        ] {
            for error in [restore(&place.config, &app, damaged).await.unwrap_err(), verify(damaged, PASSPHRASE).unwrap_err()] {
                assert!(error.to_string().contains(says), "{error}");
            }
        }
        let wrong = verify(&backup, "seven otters paint quickly").unwrap_err().to_string();
        assert!(wrong.contains("the passphrase is not the one it was made with"), "{wrong}");
        // Still empty, so that the whole one goes in.
        restore(&place.config, &app, &backup).await.unwrap();
    }
}
