//! Which of several servers is connected to, when a connection is not used again, and starting before the database does.

use std::time::{Duration, Instant};

use signet::store::{Database, Store};

use crate::failover::instance;
use crate::support::app::block_on;
use crate::support::sql::execute;

#[test]
fn what_one_connection_hears_makes_the_pool_forget_the_others() {
    let Some(cluster) = crate::support::cluster::shared() else { return };
    let database = cluster.empty_database();
    block_on(async {
        let url = signet::config::DatabaseUrl::Postgres(signet::secret::Secret::new(database.url()));
        execute(&url, "CREATE TABLE written (a int)").await.unwrap();
        let store = Store::open(Database::Postgres(database.url().to_owned()), 4).unwrap();
        let pids = async |store: &Store| {
            let mut held = Vec::new();
            for _ in 0..3 {
                held.push(store.reading().await.unwrap());
            }
            let mut pids = Vec::new();
            for connection in &mut held {
                let signet::store::Connection::Postgres(connection) = connection else { panic!("PostgreSQL") };
                pids.push(pid(connection).await);
            }
            pids
        };
        let before = pids(&store).await;
        assert_eq!(sorted(pids(&store).await), sorted(before.clone()), "they are used again");
        {
            let mut connection = store.reading().await.unwrap();
            let signet::store::Connection::Postgres(connection) = &mut connection else { panic!("PostgreSQL") };
            use diesel_async::SimpleAsyncConnection as _;
            connection.batch_execute("SET default_transaction_read_only = on").await.unwrap();
            let refused = connection.batch_execute("INSERT INTO written VALUES (1)").await.unwrap_err();
            assert!(matches!(signet::store::Error::from(refused), signet::store::Error::Unavailable(_)));
        }
        let after = pids(&store).await;
        assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
    });
}

async fn pid(connection: &mut diesel_async::AsyncPgConnection) -> i32 {
    use diesel_async::RunQueryDsl as _;
    let pid = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()"));
    pid.get_result(connection).await.unwrap()
}

fn sorted(mut pids: Vec<i32>) -> Vec<i32> {
    pids.sort_unstable();
    pids
}

#[test]
fn a_first_host_that_accepts_and_says_nothing_costs_a_bounded_time_and_once() {
    let Some(cluster) = crate::support::cluster::Cluster::start_with_tcp() else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (silent, address.port())).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", silent.1, cluster.port());
    block_on(async {
        let store = Store::open(Database::Postgres(url), 4).unwrap();
        let began = Instant::now();
        let first = store.reading().await.map(drop);
        assert!(first.is_ok(), "{first:?}");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
        // Those that follow know where to go.
        let began = Instant::now();
        let held = [store.reading().await.unwrap(), store.reading().await.unwrap()];
        assert!(began.elapsed() < Duration::from_millis(1900), "{:?}", began.elapsed());
        drop(held);
    });
}

#[test]
fn serve_waits_for_a_database_that_comes_and_names_the_one_that_does_not() {
    let Some(cluster) = crate::support::cluster::Cluster::start_with_tcp() else { return };
    cluster.execute("CREATE DATABASE signet");
    let url = format!("postgres://postgres:sekret@127.0.0.1:{}/signet", cluster.port());
    let program = instance(&url, None);
    cluster.stop_server();
    let gone = instance(&url, None).with("SIGNET_DATABASE_WAIT", "1").refused(1, &["serve"]);
    for part in ["waiting for the database at postgres://127.0.0.1:", "cannot be reached", "SIGNET_DATABASE_URL"] {
        assert!(gone.contains(part), "{part}: {gone}");
    }
    assert!(!gone.contains("sekret"), "{gone}");
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| program.serve());
        std::thread::sleep(Duration::from_millis(500));
        cluster.start_server();
        assert!(serving.join().unwrap().log().contains("waiting for the database"));
    });
    // What no waiting helps against is not waited for.
    let began = Instant::now();
    let other = format!("postgres://postgres@127.0.0.1:{}/other", cluster.port());
    let refused = instance(&other, None).refused(1, &["serve"]);
    assert!(refused.contains("refuses") && refused.contains("\"other\" does not exist"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(20), "it waited");
}
