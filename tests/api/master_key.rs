//! The master key: what is sealed opens under it alone, and it is replaced while the issuer serves.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use signet::cli::compose::{self, Surroundings};
use signet::entropy::Entropy;
use signet::keys::master::{self, MasterKeyRing};
use signet::keys::reseal::{self, ResealError, Resealed, reseal};
use signet::keys::seal::{self, SealError};
use signet::store::sealed::{self, Place, SealedValue};
use signet::store::sealed_secrets::{self, SealedSecret};

use crate::on_both;
use crate::support::app::{App, ISSUER};

fn ring(app: &App) -> MasterKeyRing {
    MasterKeyRing::load(&app.config.master_key_file).unwrap()
}

/// A ring that never sealed anything here.
fn strange_ring() -> MasterKeyRing {
    MasterKeyRing::from_text(&master::new_line(&Entropy::seeded(99))).unwrap()
}

fn add_key(app: &App) {
    master::add_key(&app.config.master_key_file, &Entropy::system()).unwrap();
}

/// Leaves only the first line of the file.
fn drop_old_keys(app: &App) {
    let text = std::fs::read_to_string(&app.config.master_key_file).unwrap();
    std::fs::write(&app.config.master_key_file, text.lines().next().unwrap()).unwrap();
}

async fn values(app: &App) -> Vec<SealedValue> {
    sealed::all(&mut app.provider.store.reading().await.unwrap()).await.unwrap()
}

/// How many values are sealed under the first key of the ring, and how many are not.
async fn standing(app: &App, ring: &MasterKeyRing) -> (usize, usize) {
    let values = values(app).await;
    let first = values.iter().filter(|value| seal::sealed_under(&value.sealed) == Ok(ring.first().id())).count();
    (first, values.len() - first)
}

/// Seals `count` values more.
async fn fill(app: &App, count: i64) {
    let ring = ring(app);
    let mut connection = app.provider.store.writing().await.unwrap();
    for version in 1..=count {
        let ciphertext = seal::seal(&ring, &format!("secret:padding:{version}"), b"padding");
        let row = SealedSecret { name: "padding".to_owned(), version, ciphertext, created_at: app.clock.now() };
        sealed_secrets::insert(&mut connection, &row).await.unwrap();
    }
}

async fn starts(app: &App) -> Result<(), String> {
    let surroundings = Surroundings { clock: app.clock.clone(), ..Surroundings::default() };
    let instance = compose::instance(&app.config, ISSUER.parse().unwrap(), surroundings).await;
    instance.map(drop).map_err(|failure| failure.to_string())
}

on_both! {
    async fn what_is_sealed_opens_under_its_master_key_and_purpose_alone(app) {
        let (ring, strange) = (ring(&app), strange_ring());
        let values = values(&app).await;
        assert!(values.iter().any(|value| matches!(value.place, Place::SigningKey { .. })));
        assert!(values.iter().any(|value| value.place.to_string().contains("refresh-token-mac")));
        for SealedValue { place, sealed } in &values {
            reseal(&ring, &strange, place, sealed).unwrap();
            let key_id = ring.first().id();
            assert_eq!(reseal(&strange, &ring, place, sealed), Err(SealError::UnknownKey { key_id }), "{place}");
            for other in values.iter().filter(|other| other.place != *place) {
                assert_eq!(reseal(&ring, &ring, &other.place, sealed), Err(SealError::Tampered), "{place}");
            }
        }
    }

    async fn a_value_copied_to_another_row_is_named_and_stops_a_rotation(app) {
        app.provider.keys.rotate(signet::keys::Activation::Published, &signet::store::audit_events::Author::signet()).await.unwrap();
        app.sql("UPDATE sealed_secrets SET ciphertext = (SELECT sealed_private_key FROM signing_keys LIMIT 1)
            WHERE name = 'refresh-token-mac'").await;
        add_key(&app);
        let before = standing(&app, &ring(&app)).await;
        let refused = reseal::rotate(&app.provider.store, &ring(&app), |_, _| ()).await.unwrap_err();
        assert!(matches!(&refused, ResealError::Unopened(values) if values.len() == 1), "{refused}");
        assert!(refused.to_string().contains("sealed_secrets, refresh-token-mac version 1: the value was changed"));
        assert_eq!(standing(&app, &ring(&app)).await, before);

        let doctor = app.program(&["doctor", "--json"]).output().unwrap();
        let text = String::from_utf8_lossy(&doctor.stdout);
        assert_eq!(doctor.status.code(), Some(1), "{text}");
        assert!(text.contains("sealed_secrets, refresh-token-mac version 1"), "{text}");
        assert!(starts(&app).await.unwrap_err().contains("master key"));
    }

    async fn nothing_is_made_under_a_master_key_that_does_not_open_everything(app) {
        app.sql("UPDATE signing_keys SET sealed_private_key = (SELECT ciphertext FROM sealed_secrets
            WHERE name = 'canary')").await;
        // The next key is long due.
        app.advance(200 * 86400);
        let before = values(&app).await.len();
        let refused = starts(&app).await.unwrap_err();
        assert!(refused.contains("signing key") && refused.contains("changed, or sealed for another purpose"), "{refused}");
        assert_eq!(values(&app).await.len(), before);
    }

    async fn doctor_names_each_row_that_no_key_opens_with_the_key_that_sealed_it(app) {
        let sealed_by = ring(&app).first().id().to_string();
        let kid = values(&app).await.into_iter().find_map(|value| match value.place {
            Place::SigningKey { kid } => Some(kid),
            _ => None,
        });
        add_key(&app);
        drop_old_keys(&app);
        let doctor = app.program(&["doctor", "--json"]).output().unwrap();
        let text = String::from_utf8_lossy(&doctor.stdout);
        let names = [format!("signing_keys, kid {}", kid.unwrap()), "sealed_secrets, canary version 1".to_owned()];
        for name in names {
            assert!(text.contains(&format!("{name}: the value is sealed under master key {sealed_by}")), "{name}: {text}");
        }
    }

    async fn the_master_key_is_replaced_under_load_and_nobody_notices(app) {
        fill(&app, 60).await;
        let first = app.log_in().await;
        add_key(&app);
        let (both, serving) = (ring(&app), app.second_instance().await);
        let done = std::cell::Cell::new(false);
        let refreshing = async {
            let (mut tokens, mut refreshed) = (first.clone(), 0);
            while !done.get() || refreshed < 20 {
                tokens = serving.refresh(tokens.refresh()).await.tokens();
                assert!(serving.is_active(&tokens.access_token).await);
                refreshed += 1;
            }
            tokens
        };
        let rotating = async {
            let resealed = reseal::rotate(&app.provider.store, &both, |_, _| ()).await.unwrap();
            done.set(true);
            resealed
        };
        let (tokens, resealed) = tokio::join!(refreshing, rotating);
        let all = values(&app).await.len();
        assert_eq!(resealed, Resealed { resealed: all as u64, left: 0 });
        assert_eq!(standing(&app, &both).await, (all, 0));

        drop_old_keys(&app);
        let restarted = app.second_instance().await;
        assert!(restarted.is_active(&first.access_token).await);
        restarted.refresh(tokens.refresh()).await.tokens();
    }

    async fn an_instance_without_the_new_key_does_not_start_once_everything_is_under_it(app) {
        let old = std::fs::read_to_string(&app.config.master_key_file).unwrap();
        add_key(&app);
        reseal::rotate(&app.provider.store, &ring(&app), |_, _| ()).await.unwrap();
        starts(&app).await.unwrap();
        std::fs::write(&app.config.master_key_file, old).unwrap();
        let refused = starts(&app).await.unwrap_err();
        assert!(refused.contains("the master key is not the one that this database was made with"), "{refused}");
    }

    async fn the_canary_changes_last(app) {
        fill(&app, 12).await;
        add_key(&app);
        let (store, both) = (app.provider.store.clone(), ring(&app));
        let interrupted = tokio::spawn(async move { reseal::rotate(&store, &both, |_, _| panic!("interrupted")).await });
        assert!(interrupted.await.unwrap_err().is_panic());
        let both = ring(&app);
        let (under_new, under_old) = standing(&app, &both).await;
        assert!(under_new == 10 && under_old > 0, "{under_new} {under_old}");
        let canary = values(&app).await.into_iter().find(|value| value.place.to_string().contains("canary")).unwrap();
        assert_ne!(seal::sealed_under(&canary.sealed), Ok(both.first().id()));
        // Without the old key nothing starts while something is sealed under it.
        starts(&app).await.unwrap();
        drop_old_keys(&app);
        starts(&app).await.unwrap_err();
    }

    async fn rotations_at_the_same_time_do_the_work_once(app) {
        fill(&app, 45).await;
        add_key(&app);
        let (store, both, all) = (&app.provider.store, ring(&app), values(&app).await.len());
        let rotate = || reseal::rotate(store, &both, |_, _| ());
        let (one, two, three) = tokio::join!(rotate(), rotate(), rotate());
        let done = [one, two, three].map(|done| done.unwrap());
        assert_eq!(done.iter().map(|done| done.resealed).sum::<u64>(), all as u64, "{done:?}");
        assert!(done.iter().all(|done| done.left == 0));
        assert_eq!(standing(&app, &both).await, (all, 0));
        drop_old_keys(&app);
        starts(&app).await.unwrap();
    }

    async fn a_killed_rotation_is_finished_by_the_next(app) {
        fill(&app, 400).await;
        let mut unfinished = 0;
        // The kill may come too late: then there is another key to rotate to.
        for _ in 0..10 {
            add_key(&app);
            let mut child =
                app.program(&["master-key", "rotate"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut first = String::new();
            BufReader::new(child.stderr.take().unwrap()).read_line(&mut first).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(first.starts_with("sealed anew: "), "{first}");
            unfinished = standing(&app, &ring(&app)).await.1;
            if unfinished > 0 {
                break;
            }
        }
        assert!(unfinished > 0, "never in time");
        let survey = reseal::survey(&app.provider.store, &ring(&app)).await.unwrap();
        assert_eq!(survey.unopened, []);

        let next = app.program(&["master-key", "rotate", "--json"]).output().unwrap();
        let notes = String::from_utf8_lossy(&next.stderr);
        assert!(next.status.success() && notes.contains(&format!("{unfinished} values were sealed anew")), "{notes}");
        assert!(notes.contains("is not needed any more: remove its line"), "{notes}");
        assert_eq!(app.newest_event().await.action, "master_key.rotate");
        let listed: serde_json::Value = serde_json::from_slice(&next.stdout).unwrap();
        assert_eq!((&listed[0]["role"], &listed[1]["role"]), (&"seals".into(), &"opens".into()));
        assert_eq!(listed[0]["sealed_secrets"], 402);
        assert_eq!(listed[1]["sealed_secrets"], 0);
        drop_old_keys(&app);
        starts(&app).await.unwrap();
    }
}
