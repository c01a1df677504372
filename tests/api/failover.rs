//! The primary dies and its standby takes over, under load: no rotation that was acknowledged is lost, no session ends, and
//! whoever cannot be answered is told to come back.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crash::register;
use crate::support::app::{Answer, PASSWORD, block_on, claims, generation};
use crate::support::cluster::Pair;
use crate::support::program::{Program, Serving, new_master_key};

const SESSIONS: usize = 6;

/// Two instances of one issuer, whose clients go to the one or the other.
struct World {
    http: reqwest::Client,
    secret: String,
    bases: [String; 2],
    stop: AtomicBool,
    refused: AtomicU32,
    /// Access tokens that were issued.
    issued: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Session {
    refresh_token: String,
    refreshed: i64,
}

impl World {
    async fn post(&self, instance: usize, path: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", self.bases[instance]);
        // Both instances live on, so a broken connection or an answer that does not come is a failure.
        let request = self.http.post(url).basic_auth("erp", Some(&self.secret)).form(form);
        Answer::of(request.timeout(Duration::from_secs(30))).await
    }

    /// The answer, or `None` for a client that was told to try again. Anything else is a failure.
    async fn token(&self, instance: usize, form: &[(&str, &str)]) -> Option<Value> {
        let answer = self.post(instance, "/oauth2/token", form).await;
        if answer.status == 200 {
            let answer = answer.json();
            self.issued.lock().unwrap().push(answer["access_token"].as_str().unwrap().to_owned());
            return Some(answer);
        }
        answer.refused(503, "temporarily_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    async fn log_in(&self, instance: usize) -> Session {
        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let answer = self.token(instance, &login).await.expect("nothing has failed yet");
        Session { refresh_token: answer["refresh_token"].as_str().unwrap().to_owned(), refreshed: 0 }
    }

    /// Asks the one and the other instance with the same token, until one answers.
    async fn refresh(&self, session: &mut Session) {
        for attempt in 0.. {
            let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())];
            if let Some(answer) = self.token(attempt % 2, &form).await {
                session.refresh_token = answer["refresh_token"].as_str().unwrap().to_owned();
                session.refreshed += 1;
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn keep_refreshing(self: Arc<Self>, mut session: Session) -> Session {
        while !self.stop.load(Ordering::Relaxed) {
            self.refresh(&mut session).await;
        }
        session
    }

    async fn is_ready(&self, instance: usize) -> bool {
        Answer::of(self.http.get(format!("{}/readyz", self.bases[instance]))).await.status == 200
    }
}

/// A program with that database, and the master key of the other.
pub fn instance(url: &str, beside: Option<&Program>) -> Program {
    let program = Program::new().with("SIGNET_DATABASE_URL", url);
    std::fs::create_dir(program.file("")).unwrap();
    match beside {
        None => new_master_key(&program.file("master.key")),
        Some(other) => drop(std::fs::copy(other.file("master.key"), program.file("master.key")).unwrap()),
    }
    program
}

#[test]
fn a_failover_loses_no_acknowledged_rotation_and_no_session() {
    let Some(pair) = Pair::start() else { return };
    pair.primary().execute("CREATE DATABASE signet");
    let url = pair.url("signet");
    let first = instance(&url, None);
    let second = instance(&url, Some(&first));
    block_on(async {
        let secret = register(&first).await;
        let serving: [Serving; 2] = [first.serve(), second.serve()];
        let world = Arc::new(World {
            http: reqwest::Client::new(),
            secret,
            bases: [serving[0].base.clone(), serving[1].base.clone()],
            stop: AtomicBool::new(false),
            refused: AtomicU32::new(0),
            issued: Mutex::default(),
        });
        let mut clients = Vec::new();
        for session in 0..SESSIONS {
            let session = world.log_in(session % 2).await;
            clients.push(tokio::spawn(world.clone().keep_refreshing(session)));
        }
        let some_are_issued = async |count: usize| {
            let began = Instant::now();
            while world.issued.lock().unwrap().len() < count {
                assert!(began.elapsed() < Duration::from_secs(60), "nothing is issued: {}", serving[0].log());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        some_are_issued(60).await;
        assert_eq!(world.refused.load(Ordering::Relaxed), 0);

        pair.kill_primary();
        let killed = Instant::now();
        for instance in 0..2 {
            while world.is_ready(instance).await {
                assert!(killed.elapsed() < Duration::from_secs(15), "/readyz does not notice");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let noticed = killed.elapsed();
        let issued_before = world.issued.lock().unwrap().clone();
        let promoted = Instant::now();
        pair.promote();
        some_are_issued(issued_before.len() + 1).await;
        let recovered = promoted.elapsed();
        for (instance, serving) in serving.iter().enumerate() {
            while !world.is_ready(instance).await {
                assert!(promoted.elapsed() < Duration::from_secs(15), "/readyz: {}", serving.log());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        println!(
            "noticed after {noticed:?}, ready again {:?} after promotion began, first answer after {recovered:?}, {} refused",
            promoted.elapsed(),
            world.refused.load(Ordering::Relaxed)
        );
        assert!(recovered < Duration::from_secs(15), "{recovered:?}");
        some_are_issued(issued_before.len() + 60).await;
        world.stop.store(true, Ordering::Relaxed);
        for client in clients {
            let mut session = client.await.expect("no session is lost");
            world.refresh(&mut session).await;
            // Each answer stands for one generation: none that was acknowledged was lost, none given twice.
            assert_eq!(generation(&session.refresh_token), 1 + session.refreshed);
        }
        assert!(world.refused.load(Ordering::Relaxed) > 0, "the failover hit nobody");
        let [early, .., late] = &issued_before[..] else { panic!("{issued_before:?}") };
        for (instance, token) in [(0, early), (1, late)] {
            let answer = world.post(instance, "/oauth2/introspect", &[("token", token)]).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.json()["active"], true, "{:?}", claims(token));
        }
    });
}

#[test]
fn a_primary_that_stops_taking_writes_is_left_and_a_standby_never_used() {
    let Some(pair) = Pair::start() else { return };
    pair.primary().execute("CREATE DATABASE signet");
    let program = instance(&pair.url("signet"), None);
    block_on(async {
        let secret = register(&program).await;
        let serving = program.serve();
        let ask = async || {
            let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
            let url = format!("{}/oauth2/token", serving.base);
            Answer::of(reqwest::Client::new().post(url).basic_auth("erp", Some(&secret)).form(&login)).await
        };
        assert_eq!(ask().await.status, 200);
        let port_of_standby = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'signet'";
        assert_eq!(pair.execute(port_of_standby).as_deref(), Some("0"));

        // Fenced off, as a controller does it before it promotes another: connections stay, writes are refused.
        pair.primary().execute("ALTER SYSTEM SET default_transaction_read_only = on");
        pair.primary().execute("SELECT pg_reload_conf()");
        let sessions = "SELECT count(*)::text FROM pg_stat_activity
             WHERE application_name = 'signet' AND query NOT LIKE 'LISTEN%'";
        assert_ne!(pair.primary().execute(sessions).as_deref(), Some("0"));
        let began = Instant::now();
        loop {
            let answer = ask().await;
            if answer.status == 503 {
                answer.refused(503, "temporarily_unavailable");
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{}", answer.text);
        }
        while pair.primary().execute(sessions).as_deref() != Some("0") {
            assert!(began.elapsed() < Duration::from_secs(20), "connections to it are kept");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pair.promote();
        while ask().await.status != 200 {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", serving.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_ne!(pair.execute(port_of_standby).as_deref(), Some("0"));
    });
}
