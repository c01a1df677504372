//! A database that falls silent: its machine has lost power or its network, so connections neither answer nor break. A
//! standby takes its place, at the same address.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use signet::background;
use signet::config::DatabaseUrl;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use crate::support::app::{Backend, run};
use crate::support::cluster;

/// A network between the service and the database that can swallow what is connected through it.
struct Network {
    address: std::net::SocketAddr,
    swallowing: watch::Sender<()>,
}

impl Network {
    async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let network = Self { address: listener.local_addr().unwrap(), swallowing: watch::Sender::new(()) };
        let swallowing = network.swallowing.subscribe();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut swallowing = swallowing.clone();
                swallowing.mark_unchanged();
                tokio::spawn(forward(stream, UnixStream::connect(socket.clone()).await.unwrap(), swallowing));
            }
        });
        network
    }

    /// What is connected now stays so, and nothing passes through it any more. Later connections are not concerned.
    fn swallow(&self) {
        self.swallowing.send_replace(());
    }
}

async fn forward(mut near: TcpStream, mut far: UnixStream, mut swallowing: watch::Receiver<()>) {
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        // Both ends are kept open.
        _ = swallowing.changed() => std::future::pending().await,
    }
}

#[test]
fn a_standby_that_takes_the_place_of_a_silent_database_is_used_without_a_restart() {
    run(Backend::Postgres, |app| async move {
        let DatabaseUrl::Postgres(url) = &app.config.database_url else { panic!("this is about PostgreSQL") };
        let name = url.expose().rsplit('/').next().unwrap();
        let socket = cluster::shared().unwrap().directory().join(".s.PGSQL.5432");
        let network = Network::to(socket).await;
        let url = format!("postgres://postgres@{}/{name}?sslmode=disable", network.address);
        let app = app.instance_on(&url).await;
        tokio::task::spawn_local(background::follow(app.provider.clone()));
        let tokens = app.log_in().await;

        network.swallow();
        let began = Instant::now();
        while app.get("/readyz").await.status == 200 {
            assert!(began.elapsed() < Duration::from_secs(4), "readiness outlives the bound");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while app.get("/readyz").await.status != 200 {
            assert!(began.elapsed() < Duration::from_secs(6), "the standby is not found");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..20 {
            assert!(app.is_active(&tokens.access_token).await);
        }
        app.refresh(tokens.refresh()).await.tokens();
    });
}
