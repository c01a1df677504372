//! Several programs on one database, started and working at the same time: each thing has one owner. (Two instances at one
//! task are in the file of the task: `jwks`, `purge_races`, `audit_seals`, `webhooks`, `status_indexes`.)

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crash::register;
use crate::support::app::{Answer, block_on, claims};
use crate::support::cluster;
use crate::support::program::{Program, Serving, new_master_key};
use crate::support::receiver::Receiver;

const INSTANCES: usize = 4;

fn programs(url: &str) -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    for _ in 0..INSTANCES {
        let program = Program::new().with("SIGNET_DATABASE_URL", url).with("SIGNET_DATABASE_POOL_SIZE", "3");
        std::fs::create_dir(program.file("")).unwrap();
        match programs.first() {
            None => new_master_key(&program.file("master.key")),
            Some(first) => drop(std::fs::copy(first.file("master.key"), program.file("master.key")).unwrap()),
        }
        programs.push(program);
    }
    programs
}

/// All at once.
fn serve(programs: &[Program]) -> Vec<Serving> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = programs.iter().map(|program| scope.spawn(|| program.serve())).collect();
        starting.into_iter().map(|starting| starting.join().expect("each comes up")).collect()
    })
}

#[test]
fn programs_that_start_at_once_on_an_empty_database_make_one_schema_one_issuer_and_one_key() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let programs = programs(database.url());
    let serving = serve(&programs);
    block_on(async {
        let migrated: usize =
            serving.iter().map(|serving| serving.log().matches("the database was migrated").count()).sum();
        assert_eq!(migrated, 1, "one of them migrated");
        let mut sets = BTreeSet::new();
        for serving in &serving {
            let url = format!("{}/.well-known/jwks.json", serving.base);
            let set = Answer::of(reqwest::Client::new().get(url)).await.json();
            let keys = set["keys"].as_array().unwrap();
            assert_eq!(keys.len(), 1, "{set}");
            sets.insert(keys[0]["kid"].as_str().unwrap().to_owned());
        }
        assert_eq!(sets.len(), 1, "{sets:?}");

        // Tokens of all of them at once: each has a status index of its own.
        let secret = register(&programs[0]).await;
        programs[0].json(&["client", "update", "erp", "--grant-type", "client_credentials"]);
        let tokens = (0..10 * INSTANCES).map(|request| {
            let url = format!("{}/oauth2/token", serving[request % INSTANCES].base);
            let secret = secret.clone();
            async move {
                let began = Instant::now();
                loop {
                    let request = reqwest::Client::new().post(&url).basic_auth("erp", Some(&secret));
                    let answer = Answer::of(request.form(&[("grant_type", "client_credentials")])).await;
                    if answer.status == 200 {
                        return answer.json()["access_token"].as_str().unwrap().to_owned();
                    }
                    // The instance may not know the client's new grant type yet.
                    assert!(began.elapsed() < Duration::from_secs(10), "{}", answer.text);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
        let tokens = futures_util::future::join_all(tokens).await;
        let indexes: BTreeSet<String> = tokens.iter().map(|token| claims(token)["status"].to_string()).collect();
        assert_eq!(indexes.len(), tokens.len());
    });
}

#[test]
fn of_several_programs_one_pushes_each_event_and_all_know_a_key_that_one_of_them_made() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let programs = programs(database.url());
    let serving = serve(&programs);
    block_on(async {
        register(&programs[0]).await;
        let receiver = Receiver::start().await;
        let events = ["--event", "account-disabled"];
        programs[0].json(&[&["webhook", "create", "siem", "--endpoint", &receiver.url()][..], &events].concat());
        for _ in 0..4 {
            programs[1].json(&["user", "disable", "alice"]);
            programs[2].json(&["user", "enable", "alice"]);
        }
        receiver.wait_for(4).await;
        let began = Instant::now();
        let delivered = loop {
            let deliveries = programs[3].json(&["webhook", "deliveries", "siem"]);
            let deliveries = deliveries.as_array().unwrap().clone();
            if deliveries.iter().all(|delivery| delivery["state"] == "delivered") {
                break deliveries;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{deliveries:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(delivered.len(), 4);
        assert!(delivered.iter().all(|delivery| delivery["attempts"] == 1), "{delivered:?}");
        let received = receiver.received();
        let jtis: BTreeSet<String> = received.iter().map(|request| request.jti()).collect();
        assert_eq!((received.len(), jtis.len()), (4, 4), "each event once");

        // Four rotations at once: one key, which each instance publishes.
        std::thread::scope(|scope| {
            for program in &programs {
                scope.spawn(|| program.run(&["key", "rotate"]));
            }
        });
        let keys = async |serving: &Serving| -> BTreeSet<String> {
            let url = format!("{}/.well-known/jwks.json", serving.base);
            let set: Value = Answer::of(reqwest::Client::new().get(url)).await.json();
            set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        let began = Instant::now();
        for instance in &serving {
            while keys(instance).await.len() < 2 {
                assert!(began.elapsed() < Duration::from_secs(20), "the new key is not published");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(keys(instance).await, keys(&serving[0]).await);
        }
        assert_eq!(keys(&serving[0]).await.len(), 2);
    });
}
