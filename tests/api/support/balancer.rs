//! HAProxy in front of instances, with health checks on `/readyz`.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cluster::free_port;

pub struct Balancer {
    process: Child,
    folder: tempfile::TempDir,
    pub base: String,
    statistics: String,
}

impl Balancer {
    /// In front of instances at these ports of this machine. `None`, said loudly, where the program is missing.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(ports: &[u16]) -> Option<Self> {
        let program = super::installed("haproxy")?;
        let (folder, port, statistics) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let servers: String = ports
            .iter()
            .map(|port| format!("  server i{port} 127.0.0.1:{port} check inter 200ms fall 1 rise 1\n"))
            .collect();
        // As in docs/operations/instances.md, but that the checks come more often.
        let settings = format!(
            "global\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 40s\n  \
             retries 3\n  option redispatch\n  retry-on conn-failure\n\
             frontend signet\n  bind 127.0.0.1:{port}\n  default_backend instances\n\
             frontend statistics\n  bind 127.0.0.1:{statistics}\n  stats enable\n  stats uri /stats\n\
             backend instances\n  balance roundrobin\n  option httpchk GET /readyz\n  http-check expect status 200\n{servers}"
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, settings).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut haproxy = Command::new(program);
        haproxy.arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = haproxy.spawn().expect("starting haproxy");
        let balancer = Self {
            process,
            folder,
            base: format!("http://127.0.0.1:{port}"),
            statistics: format!("http://127.0.0.1:{statistics}/stats;csv"),
        };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "haproxy does not start: {}", balancer.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(balancer)
    }

    /// Whether the instance at a port gets requests.
    pub async fn uses(&self, port: u16) -> bool {
        let text = reqwest::get(&self.statistics).await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("instances,i{port},")));
        line.expect("the instance's line").split(',').nth(17) == Some("UP")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}
