//! `signet health`: the exit status by which a container's supervisor judges an instance.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use crate::support::program::{Program, Serving};

/// What is configured to listen where that server does. (Programs under test leave the port to the system.)
fn beside(serving: &Serving) -> Program {
    Program::new().with("SIGNET_LISTEN", serving.base.strip_prefix("http://").unwrap())
}

/// A listener that gives one answer and says which request line came.
fn answers_once(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let head: Vec<String> =
            BufReader::new(&peer).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        peer.write_all(answer.as_bytes()).unwrap();
        head[0].clone()
    });
    (address, asked)
}

#[test]
fn a_server_that_is_ready_is_healthy() {
    let serving = Program::new().serve();
    let health = beside(&serving).json(&["health"]);
    assert_eq!(health["ready"], true, "{health}");
    assert!(health["url"].as_str().unwrap().ends_with("/readyz"), "{health}");
}

#[test]
fn a_server_that_is_not_ready_is_unhealthy_and_its_words_are_passed_on() {
    let body = r#"{"ready":false,"database":false}"#;
    let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 32\r\nConnection: close\r\n\r\n{\"ready\":false,\"database\":false}";
    let (address, asked) = answers_once(answer);
    let ended = Program::new().with("SIGNET_LISTEN", &address).run(&["health"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("503") && ended.stdout.contains(body), "{ended:?}");
    assert_eq!(asked.join().unwrap(), "GET /readyz HTTP/1.1");
}

#[test]
fn where_nobody_listens_it_is_unhealthy_and_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = Program::new().with("SIGNET_LISTEN", &free.to_string()).run(&["health"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("no answer: "), "{ended:?}");
}

#[test]
fn the_own_listener_is_asked_over_tls_whatever_its_certificate() {
    let program = Program::new();
    std::fs::create_dir(program.file("")).unwrap();
    let certified = rcgen::generate_simple_self_signed(["another.example".to_owned()]).unwrap();
    let [chain, key] = ["tls.pem", "tls.key"].map(|name| program.file(name).display().to_string());
    std::fs::write(&chain, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let over_tls = |program: Program| {
        let program = program.with("SIGNET_TLS", "on").with("SIGNET_ISSUER", "https://auth.example");
        program.with("SIGNET_TLS_CERT_FILE", &chain).with("SIGNET_TLS_KEY_FILE", &key)
    };
    let program = over_tls(program);
    let serving = program.serve();
    let ended = over_tls(beside(&serving)).run(&["health"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("https://"), "{ended:?}");
    // And a plain question to it is none that it answers.
    let ended = beside(&serving).run(&["health"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
}

#[test]
fn a_server_may_be_named_and_a_port_that_nobody_knows_must_be() {
    let serving = Program::new().serve();
    let ended = Program::new().run(&["health", "--url", &format!("{}/some/where", serving.base)]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let said = Program::new().refused(2, &["health"]);
    assert!(said.contains("--url"), "{said}");
}
