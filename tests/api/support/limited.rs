//! A server with bounds of the test's own, and raw connections to it, with and without TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use signet::http::{self, Bounds, Gates, Limits, Stop};
use signet::metrics::Load;
use signet::protocol::network::Network;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::app::App;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A server that listens until the test ends.
pub struct Limited {
    pub address: SocketAddr,
    pub stop: Stop,
    gates: Gates,
    client: Option<ClientConfig>,
}

/// Bounds that no test comes near.
pub fn limits() -> Limits {
    Limits {
        workers: 2,
        drain: Duration::from_secs(1),
        arrival: Duration::from_secs(20),
        keep_alive: Duration::from_secs(60),
        trusted_proxies: Vec::<Network>::new().into(),
        bounds: Bounds::default(),
    }
}

pub fn plain(app: &App, limits: Limits) -> Limited {
    served(app, limits, None)
}

pub fn tls(app: &App, limits: Limits) -> Limited {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    served(app, limits, Some((server.unwrap(), client)))
}

fn served(app: &App, limits: Limits, tls: Option<(ServerConfig, ClientConfig)>) -> Limited {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (server, client) = tls.unzip();
    let listening = http::listen(&app.provider, listener, server, limits).unwrap();
    let (address, gates, stop) = (listening.address, listening.gates.clone(), listening.stop());
    tokio::task::spawn_local(listening.run());
    Limited { address, stop, gates, client }
}

impl Limited {
    /// A connection for HTTP/1, or for whatever is spoken from the start.
    pub async fn connect(&self) -> Box<dyn Stream> {
        self.connect_for(b"http/1.1").await
    }

    /// By TLS the protocol is agreed on.
    pub async fn connect_for(&self, protocol: &[u8]) -> Box<dyn Stream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let Some(mut client) = self.client.clone() else { return Box::new(stream) };
        client.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        Box::new(TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From another address of this machine.
    pub async fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    pub fn load(&self) -> Load {
        self.gates.load()
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, holds: impl Fn(Load) -> bool) {
        let waited = async {
            while !holds(self.load()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let came = timeout(Duration::from_secs(12), waited).await;
        assert!(came.is_ok(), "it never comes to this: {what}: {:?}", self.load());
    }
}
