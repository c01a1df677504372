//! HAProxy, set up as the operations guide says: an instance gets token requests while it is ready, documents come from any
//! that runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::failure::Failure;
use crate::supervised::Supervised;

const START_LIMIT: Duration = Duration::from_secs(10);

/// What HAProxy itself says where it has nobody to ask, or where one died while it answered and others did, too. The word
/// tells it from an instance's own 503.
pub const MARK: &str = "no instance answered";

pub struct Balancer {
    pub address: SocketAddr,
    _supervised: Supervised,
}

impl Balancer {
    /// Starts it in `folder` before two instances; either may be down.
    pub async fn start(folder: &Path, address: SocketAddr, instances: [SocketAddr; 2]) -> Result<Self, Failure> {
        let write = |name: &str, text: String| -> Result<PathBuf, Failure> {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Failure::io(format!("writing {}", path.display())))?;
            Ok(path)
        };
        let unavailable = write("503.http", unavailable())?;
        let configuration = write("haproxy.cfg", configuration(address, instances, &unavailable))?;
        let log = folder.join("haproxy.log");
        let program =
            ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"].map(Path::new).into_iter().find(|path| path.is_file());
        let program = program.unwrap_or(Path::new("haproxy"));
        let supervised = Supervised::start(program, "TERM", &log, |command| {
            command.arg("-db").arg("-f").arg(configuration);
        })?;
        let since = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if since.elapsed() > START_LIMIT || !supervised.process().runs() {
                let log = supervised.end_of_log();
                return Err(Failure::NotReady { what: "HAProxy", seconds: START_LIMIT.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, _supervised: supervised })
    }
}

fn unavailable() -> String {
    let body = format!(r#"{{"error":"temporarily_unavailable","error_description":"{MARK}"}}"#);
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
         Retry-After: 1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request that was not answered is sent again, to the other instance: each of them may come twice. A token that a client
/// takes for itself is taken again, a revocation is one already, and a refresh token that was used gets the same successor
/// within the retry window. A login that comes twice leaves a grant behind that nobody has tokens of.
fn configuration(address: SocketAddr, [a, b]: [SocketAddr; 2], unavailable: &Path) -> String {
    let unavailable = unavailable.display();
    format!(
        "global
    maxconn 4000

defaults
    mode http
    option forwardfor
    option redispatch 1
    option http-buffer-request
    retries 3
    retry-on conn-failure empty-response
    timeout connect 1s
    timeout check 1s
    timeout queue 2s
    timeout client 60s
    timeout server 20s
    timeout http-keep-alive 60s
    errorfile 502 {unavailable}
    errorfile 503 {unavailable}
    default-server check inter 500ms fastinter 100ms downinter 200ms fall 2 rise 1

frontend issuer
    bind {address}
    use_backend changes if {{ path_beg /status-lists/ }} {{ path_end /changes }}
    use_backend documents if {{ path_beg /.well-known/ }}
    default_backend endpoints

# The key set is served from memory, whatever the database does.
backend documents
    option httpchk GET /healthz
    server a {a}
    server b {b}

# A comment comes each 15 seconds.
backend changes
    timeout server 60s
    option httpchk GET /readyz
    server a {a}
    server b {b}

backend endpoints
    option httpchk GET /readyz
    server a {a}
    server b {b}
"
    )
}
