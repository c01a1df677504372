//! The PostgreSQL harness itself: what the other tests take for granted.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::support::cluster::{self, Cluster};

#[tokio::test]
async fn every_database_is_a_clone_of_the_template_that_the_first_caller_migrated() {
    let Some(cluster) = Cluster::start() else { return };
    let first = cluster.database(migrate_and_stay_connected);
    let second = cluster.database(|_| panic!("the template is migrated once"));

    let in_first = connect(first.url()).await.expect("connecting");
    in_first.batch_execute("INSERT INTO migrated VALUES (2)").await.expect("inserting");
    let in_second = connect(second.url()).await.expect("connecting");
    assert_eq!((count(&in_first, "migrated").await, count(&in_second, "migrated").await), (2, 1));
}

#[tokio::test]
async fn a_migration_that_failed_leaves_the_template_to_the_next_caller() {
    let Some(cluster) = Cluster::start() else { return };
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cluster.database(|url| {
            migrate_and_stay_connected(url);
            panic!("the migration fails after its first table");
        })
    }));
    assert!(failed.is_err());

    let database = cluster.database(migrate_and_stay_connected);
    assert_eq!(count(&connect(database.url()).await.expect("connecting"), "migrated").await, 1);
}

#[tokio::test]
async fn a_database_is_dropped_with_its_value_even_while_somebody_is_connected() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let url = database.url().to_owned();
    let client = connect(&url).await.expect("connecting");
    assert_eq!(count(&client, "pg_tables WHERE schemaname = 'public'").await, 0);

    drop(database);

    client.query_one("SELECT 1", &[]).await.expect_err("the connection is broken");
    let error = connect(&url).await.map(drop).expect_err("the database is gone");
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("3D000"));
}

#[tokio::test]
async fn the_server_is_reached_by_its_socket_alone() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let client = connect(database.url()).await.expect("connecting");
    let addresses: String = client.query_one("SHOW listen_addresses", &[]).await.expect("asking").get(0);
    assert_eq!(addresses, "");
}

#[tokio::test]
async fn after_an_outage_everything_committed_is_at_the_same_address() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.database(migrate_and_stay_connected);
    let client = connect(database.url()).await.expect("connecting");
    client.batch_execute("INSERT INTO migrated VALUES (2)").await.expect("inserting");

    cluster.stop_server();
    client.query_one("SELECT 1", &[]).await.expect_err("the connection is broken");
    connect(database.url()).await.map(drop).expect_err("new connections are refused");

    cluster.start_server();
    assert_eq!(count(&connect(database.url()).await.expect("connecting"), "migrated").await, 2);
    let another = cluster.database(|_| panic!("the template is still there"));
    assert_eq!(count(&connect(another.url()).await.expect("connecting"), "migrated").await, 1);
}

#[test]
fn an_outage_is_not_made_on_the_cluster_that_others_use() {
    let Some(cluster) = cluster::shared() else { return };
    std::panic::catch_unwind(|| cluster.stop_server()).expect_err("refused");
}

#[test]
fn a_dropped_cluster_leaves_nothing_behind() {
    let Some(cluster) = Cluster::start() else { return };
    let (directory, server) = (cluster.directory().to_owned(), server_id(cluster.directory()));
    drop(cluster);
    assert!(!directory.exists());
    assert!(!is_alive(server));
}

#[test]
fn a_killed_test_process_leaves_nothing_behind() {
    let Some(_installed) = cluster::shared() else { return };
    let (mut process, directory, _) = start_in_another_process();
    let server = server_id(&directory);

    process.kill().expect("killing");
    process.wait().expect("reaping");

    wait_until("the directory is gone", || !directory.exists());
    wait_until("the server is gone", || !is_alive(server));
}

#[test]
fn what_a_killed_supervisor_left_is_swept_by_the_next_start() {
    let Some(_installed) = cluster::shared() else { return };
    let (mut process, directory, supervisor) = start_in_another_process();
    let server = server_id(&directory);
    drop(Cluster::start());
    assert!(directory.exists(), "a directory in use stays");

    assert!(Command::new("sh").args(["-c", &format!("kill -9 {supervisor}")]).status().expect("killing").success());
    process.kill().expect("killing");
    process.wait().expect("reaping");
    wait_until("the supervisor is gone", || !is_alive(supervisor));
    assert!(directory.exists());

    drop(Cluster::start());
    assert!(!directory.exists());
    wait_until("the server is gone", || !is_alive(server));
}

#[test]
#[ignore = "run by the tests that kill it"]
fn another_process_with_a_cluster_of_its_own() {
    let cluster = Cluster::start().expect("the test that runs this has checked");
    println!("{OWN_CLUSTER}{} {}", cluster.supervisor_id(), cluster.directory().display());
    // Until it is killed, or, when the test that runs this is killed itself, until its end of the pipe closes.
    let _ = std::io::stdin().read(&mut [0]);
}

const OWN_CLUSTER: &str = "own cluster: ";

/// The process, its cluster's directory and its supervisor.
fn start_in_another_process() -> (std::process::Child, PathBuf, u32) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "cluster::another_process_with_a_cluster_of_its_own", "--ignored", "--nocapture"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting the other process");
    let output = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut lines = output.lines().map_while(Result::ok);
    // The test runner prints the name of the test on the same line.
    let line = lines.find_map(|line| Some(line.split_once(OWN_CLUSTER)?.1.to_owned())).expect("its cluster");
    let (supervisor, directory) = line.split_once(' ').expect("two words");
    (process, PathBuf::from(directory), supervisor.parse().expect("a number"))
}

fn server_id(directory: &Path) -> u32 {
    let recorded = std::fs::read_to_string(directory.join("data/postmaster.pid")).expect("a running server");
    recorded.lines().next().and_then(|line| line.parse().ok()).expect("its number")
}

fn is_alive(process: u32) -> bool {
    // A killed process whose parent is slow to reap it is no longer alive, though still listed.
    let listed = Command::new("ps").args(["-o", "stat=", "-p", &process.to_string()]).output().expect("running ps");
    let state = String::from_utf8_lossy(&listed.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn count(client: &Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.expect("counting").get(0)
}

/// Stays connected to the template, as a pool does that is not closed at once.
fn migrate_and_stay_connected(url: &str) {
    let url = url.to_owned();
    let (migrated, is_migrated) = std::sync::mpsc::channel();
    let migration = async move {
        let client = connect(&url).await.expect("connecting to the template");
        client
            .batch_execute("CREATE TABLE migrated (id int); INSERT INTO migrated VALUES (1)")
            .await
            .expect("migrating");
        migrated.send(()).expect("the caller waits");
        std::future::pending::<()>().await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    std::thread::spawn(move || runtime.block_on(migration));
    is_migrated.recv().expect("migrating");
}
