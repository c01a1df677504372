//! Instances are restarted while they are used, and nobody notices.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::crash::register;
use crate::support::app::{Answer, PASSWORD, block_on};
use crate::support::balancer::Balancer;
use crate::support::cluster::{self, free_port};
use crate::support::program::{Program, new_master_key};

/// What a client does all the time.
#[derive(Clone, Debug)]
enum Habit {
    ClientCredentials,
    Refresh(String),
    Introspect(String),
    KeySet,
}

struct World {
    base: String,
    secret: String,
    stop: AtomicBool,
    answered: AtomicU32,
}

impl World {
    async fn keep_asking(self: Arc<Self>, http: reqwest::Client, mut habit: Habit) {
        while !self.stop.load(Ordering::Relaxed) {
            let post = |path: &str, form: &[(&str, &str)]| {
                let url = format!("{}{path}", self.base);
                http.post(url).basic_auth("erp", Some(&self.secret)).form(form)
            };
            let request = match &habit {
                Habit::ClientCredentials => post("/oauth2/token", &[("grant_type", "client_credentials")]),
                Habit::Refresh(token) => {
                    post("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
                }
                Habit::Introspect(token) => post("/oauth2/introspect", &[("token", token)]),
                Habit::KeySet => http.get(format!("{}/.well-known/jwks.json", self.base)),
            };
            let answer = match request.timeout(Duration::from_secs(30)).send().await {
                Ok(response) => response,
                Err(error) => panic!("{habit:?}: {error:?}"),
            };
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert_eq!(status, 200, "{habit:?}: {text}");
            match &mut habit {
                Habit::Refresh(token) => {
                    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
                    *token = answer["refresh_token"].as_str().unwrap().to_owned();
                }
                Habit::Introspect(_) => assert!(text.contains("\"active\":true"), "{text}"),
                Habit::ClientCredentials | Habit::KeySet => {}
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn log_in(base: &str, secret: &str) -> (String, String) {
    let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let request = reqwest::Client::new().post(format!("{base}/oauth2/token")).basic_auth("erp", Some(secret));
    let answer = Answer::of(request.form(&login)).await.json();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

#[test]
fn instances_behind_a_load_balancer_are_restarted_in_turn_without_a_failed_request() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let ports = [free_port(), free_port()];
    let programs = ports.map(|port| {
        let program = Program::new()
            .with("SIGNET_DATABASE_URL", database.url())
            .with("SIGNET_LISTEN", &format!("127.0.0.1:{port}"))
            .with("SIGNET_SHUTDOWN_DELAY", "2");
        std::fs::create_dir(program.file("")).unwrap();
        program
    });
    new_master_key(&programs[0].file("master.key"));
    std::fs::copy(programs[0].file("master.key"), programs[1].file("master.key")).unwrap();
    let Some(balancer) = Balancer::start(&ports) else { return };
    block_on(async {
        let secret = register(&programs[0]).await;
        let grant_types =
            ["password", "refresh_token", "client_credentials"].map(|name| ["--grant-type", name]).concat();
        programs[0].json(&[&["client", "update", "erp"][..], &grant_types].concat());
        let mut serving = programs.each_ref().map(|program| Some(program.serve()));
        let in_use = async |port: u16, expected: bool| {
            let began = Instant::now();
            while balancer.uses(port).await != expected {
                assert!(began.elapsed() < Duration::from_secs(20), "{port}: not {expected}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        in_use(ports[0], true).await;
        in_use(ports[1], true).await;
        let world = Arc::new(World {
            base: balancer.base.clone(),
            secret,
            stop: AtomicBool::new(false),
            answered: AtomicU32::new(0),
        });
        let mut clients = Vec::new();
        for kept in [0, 8] {
            let http = reqwest::Client::builder().pool_max_idle_per_host(kept).build().unwrap();
            let (access, refresh) = log_in(&world.base, &world.secret).await;
            for habit in [Habit::ClientCredentials, Habit::Refresh(refresh), Habit::Introspect(access), Habit::KeySet] {
                clients.push(tokio::spawn(world.clone().keep_asking(http.clone(), habit)));
            }
        }
        for instance in [0, 1, 0, 1] {
            let before = world.answered.load(Ordering::Relaxed);
            let stopping = serving[instance].take().unwrap();
            stopping.terminate();
            in_use(ports[instance], false).await;
            let ended = tokio::task::spawn_blocking(move || stopping.ended()).await.unwrap();
            assert_eq!(ended.code(), Some(0));
            serving[instance] = Some(programs[instance].serve());
            in_use(ports[instance], true).await;
            assert!(world.answered.load(Ordering::Relaxed) > before + 20, "nobody asked meanwhile");
        }
        world.stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.expect("a request failed");
        }
        println!("{} requests, 4 restarts, no failure", world.answered.load(Ordering::Relaxed));
    });
}

/// One request on a connection, and its answer's head.
fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(answer).unwrap().to_ascii_lowercase()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn before_it_stops_a_server_says_so_everywhere_and_answers_all_the_same() {
    let (port, admin) = (free_port(), free_port());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let program = Program::new()
        .with("SIGNET_LISTEN", &address.to_string())
        .with("SIGNET_ADMIN_LISTEN", &format!("127.0.0.1:{admin}"))
        .with("SIGNET_SHUTDOWN_DELAY", "4");
    let serving = program.serve();
    let mut kept = connect(address);
    let answer = ask(&mut kept);
    assert!(answer.contains("200 ok") && !answer.contains("connection: close"), "{answer}");
    block_on(async {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut http2, connection) = h2::client::handshake(socket).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = || http::Request::get("http://localhost/healthz").body(()).unwrap();
        let answer = http2.send_request(request(), true).unwrap().0.await.unwrap();
        assert_eq!(answer.status(), 200);
        http2 = http2.ready().await.unwrap();

        serving.terminate();
        let told = Instant::now();
        let readiness =
            async |port: u16| Answer::of(reqwest::Client::new().get(format!("http://127.0.0.1:{port}/readyz"))).await;
        for port in [port, admin] {
            while readiness(port).await.status == 200 {
                assert!(told.elapsed() < Duration::from_secs(3), "it is ready all the time");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let answer = readiness(port).await;
            assert_eq!((answer.status, answer.json()["stopping"].as_bool()), (503, Some(true)), "{}", answer.text);
        }
        // A connection that is kept gets its answer and then its end; new ones are served.
        let answer = ask(&mut kept);
        assert!(answer.contains("200 ok") && answer.contains("connection: close"), "{answer}");
        assert_eq!(kept.read(&mut [0; 16]).unwrap(), 0, "an orderly end");
        assert!(ask(&mut connect(address)).contains("200 ok"));
        // HTTP/2: no other stream is begun on the connection, and it ends without an error once nobody holds it.
        while http2.clone().ready().await.is_ok() {
            assert!(told.elapsed() < Duration::from_secs(20), "no GOAWAY");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(told.elapsed() < Duration::from_millis(3800), "GOAWAY came with the end alone: {:?}", told.elapsed());
        drop(http2);
        connection.await.unwrap().unwrap();
        let ended = tokio::task::spawn_blocking(move || serving.ended()).await.unwrap();
        assert_eq!(ended.code(), Some(0));
        assert!(told.elapsed() >= Duration::from_secs(4), "it did not wait: {:?}", told.elapsed());
    });
}

#[test]
fn a_second_signal_ends_the_wait_at_once() {
    let program = Program::new().with("SIGNET_SHUTDOWN_DELAY", "120");
    let serving = program.serve();
    let began = Instant::now();
    serving.terminate();
    while !serving.log().contains("about to stop") {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", serving.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    serving.terminate();
    assert_eq!(serving.ended().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
