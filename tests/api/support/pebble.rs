//! Pebble, the certificate authority that Let's Encrypt tests ACME clients with: a server of the test's own, with a name server
//! by which every domain leads to this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use super::authority::Authority;

/// A running Pebble. Dropping it ends it.
pub struct Pebble {
    /// The URL of its directory.
    pub directory: String,
    /// The authority that its own TLS is checked with.
    pub root: PathBuf,
    management: String,
    http: reqwest::Client,
    processes: Vec<Child>,
    log: PathBuf,
}

/// Where it finds the two that it asks of a domain.
#[derive(Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub tls: u16,
}

impl Pebble {
    /// `None` where Pebble is not installed: that is said loudly.
    pub async fn start(folder: &Path, ports: Ports, external_account: Option<(&str, &str)>) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        for _ in 0..5 {
            let started = Self::attempt(folder, ports, external_account).await;
            if started.is_some() {
                return started;
            }
        }
        panic!("somebody always takes the ports of pebble")
    }

    /// `None` where somebody took a port between its choice and its use.
    async fn attempt(folder: &Path, ports: Ports, external_account: Option<(&str, &str)>) -> Option<Self> {
        let authority = Authority::new("pebble's own");
        let own = authority.sign(&["localhost", "127.0.0.1"]);
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let root = file("pebble-root.pem", &authority.pem());
        let (listen, management, dns) = (free_port(), free_port(), free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{listen}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("pebble.pem", &own.chain),
            "privateKey": file("pebble.key", &own.key),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": external_account.is_some(),
            "externalAccountMACKeys": external_account.iter().map(|(id, key)| (*id, *key)).collect::<std::collections::BTreeMap<_, _>>(),
        } });
        let config = file("pebble.json", &config.to_string());
        let log = folder.join("pebble.log");
        let output = std::fs::File::create(&log).unwrap();
        let start = |command: &mut Command| {
            command
                .stdin(Stdio::null())
                .stdout(output.try_clone().unwrap())
                .stderr(output.try_clone().unwrap())
                .spawn()
                .unwrap()
        };
        let names = start(Command::new("pebble-challtestsrv").args([
            "-management",
            &format!("127.0.0.1:{}", free_port()),
            "-dns01",
            &format!("127.0.0.1:{dns}"),
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ]));
        let pebble = start(
            Command::new("pebble")
                .args(["-config", config.to_str().unwrap(), "-dnsserver", &format!("127.0.0.1:{dns}"), "-strict"])
                .env("PEBBLE_VA_NOSLEEP", "1")
                // Per cent of good nonces that are refused all the same: 5 would refuse one request three times in each
                // hundredth run, which is when the client gives up until the next minute.
                .env("PEBBLE_WFE_NONCEREJECT", "1"),
        );
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
            .build()
            .unwrap();
        let pebble = Self {
            directory: format!("https://localhost:{listen}/dir"),
            root,
            management: format!("https://localhost:{management}"),
            http,
            processes: vec![pebble, names],
            log,
        };
        let began = Instant::now();
        while pebble.http.get(&pebble.directory).send().await.is_err() {
            if pebble.log().contains("address already in use") {
                return None;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "pebble does not answer: {}", pebble.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(pebble)
    }

    /// The root (PEM) under which it issues.
    pub async fn issuing_root(&self) -> String {
        self.http.get(format!("{}/roots/0", self.management)).send().await.unwrap().text().await.unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn is_installed() -> bool {
    static WARNED: Once = Once::new();
    let there = ["pebble", "pebble-challtestsrv"]
        .iter()
        .all(|program| Command::new(program).arg("-help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok());
    if !there {
        let warning = "*** Pebble is not installed (Debian: `apt-get install pebble`): certificates are NOT ordered in this run ***";
        WARNED.call_once(|| drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("\n{warning}\n"))));
    }
    there
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
