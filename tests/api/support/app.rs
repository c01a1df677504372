//! A whole issuer for one test: the wiring of `signet serve` on a database of its own, with the clock moved by hand.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use signet::admin::Admin;
use signet::cli::compose::{self, Surroundings};
use signet::clock::Clock;
use signet::config::{Config, DatabaseUrl};
use signet::entropy::Entropy;
use signet::http::{self, Limits, Listening};
use signet::oauth::Provider;
use signet::password::Parameters;
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;
use signet::protocol::network::Network;

use super::cluster;

mod answer;
mod place;
mod requests;
mod variant;

pub use answer::{Answer, Tokens, claims, generation, header};
use place::Holder;
pub use place::{Place, config, migrate};
pub use variant::Variant;

pub const ISSUER: &str = "http://127.0.0.1:8443";
pub const API: &str = "https://api.example";
pub const OTHER_API: &str = "https://other.example";
pub const PASSWORD: &str = "marble window 47 lantern";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    pub fn other(self) -> Self {
        match self {
            Self::Sqlite => Self::Postgres,
            Self::Postgres => Self::Sqlite,
        }
    }
}

/// A running issuer with an API (`read`, `write`), another (`read`), a client `erp` for all grant types with its secret,
/// and a user `alice`.
pub struct App {
    pub provider: Arc<Provider>,
    pub clock: Clock,
    pub base: String,
    pub secret: String,
    pub api_secret: String,
    pub http: reqwest::Client,
    pub config: Config,
    folder: tempfile::TempDir,
    _holder: Option<Holder>,
}

/// Runs a test on a fresh issuer. `None` where there is no PostgreSQL: the harness has said so loudly.
pub fn run<F: Future<Output = ()>>(backend: Backend, test: impl FnOnce(App) -> F) {
    block_on(async {
        if let Some(app) = App::start(backend).await {
            test(app).await;
        }
    });
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    // As `main` does; only the first call has an effect.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(tokio::task::LocalSet::new().run_until(future));
    // Listeners and pools of the test are dropped with it, not waited for.
    runtime.shutdown_background();
    outcome
}

/// Makes the same tests for both databases: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident) $body:block)+) => {
        $(
            $(#[$meta])*
            async fn $name($app: $crate::support::app::App) $body

            mod $name {
                #[test]
                fn sqlite() {
                    $crate::support::app::run($crate::support::app::Backend::Sqlite, super::$name);
                }

                #[test]
                fn postgres() {
                    $crate::support::app::run($crate::support::app::Backend::Postgres, super::$name);
                }
            }
        )+
    };
}

impl App {
    /// The same issuer elsewhere: what is in the database of `place`, which has this one's clients and users.
    pub async fn moved_to(&self, place: Place) -> Self {
        let Place { config, folder, holder } = place;
        let provider = provider(&config, &self.clock, 3).await;
        let there = self.beside((listen(&provider), provider), self.clock.clone(), config);
        Self { folder, _holder: holder, ..there }
    }

    pub async fn start(backend: Backend) -> Option<Self> {
        Some(Self::on(Place::new(backend).await?).await)
    }

    /// On a cluster of the test's own, which it may stop.
    pub async fn on_cluster(cluster: &Arc<cluster::Cluster>) -> Self {
        Self::on(Place::on_cluster(cluster)).await
    }

    async fn on(Place { config, folder, holder }: Place) -> Self {
        let start = chrono::DateTime::parse_from_rfc3339("2026-01-05T12:00:00.25Z").unwrap().to_utc();
        let clock = Clock::manual(start);
        let provider = provider(&config, &clock, 1).await;
        let base = listen(&provider);
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let (secret, api_secret) = (String::new(), String::new());
        let mut app = Self { provider, clock, base, secret, api_secret, http, config, folder, _holder: holder };
        app.api_secret = app.api(API, "read write", Algorithm::ES256).await;
        app.api(OTHER_API, "read", Algorithm::ES256).await;
        app.secret = app.client("erp", &[API, OTHER_API], GrantType::ALL, None).await.unwrap();
        app.user("alice").await;
        app.synchronise().await;
        app
    }

    /// The built program, ready to be run on this database.
    pub fn program(&self, arguments: &[&str]) -> std::process::Command {
        program(&self.config, arguments)
    }

    /// A second instance on the same database, with the same clock.
    pub async fn second_instance(&self) -> Self {
        self.second_instance_with_clock_off_by(0).await
    }

    /// A second instance whose clock is that much ahead, and stands still from then on unless it is off by nothing.
    pub async fn second_instance_with_clock_off_by(&self, seconds: i64) -> Self {
        let clock = match seconds {
            0 => self.clock.clone(),
            skew => Clock::manual(self.clock.now() + chrono::Duration::seconds(skew)),
        };
        self.instance_with(self.config.clone(), clock).await
    }

    /// A second instance on another database that holds the same, with the same clock and master key.
    pub async fn instance_on(&self, url: &str) -> Self {
        self.instance_with(config(self.folder.path(), url), self.clock.clone()).await
    }

    async fn instance_with(&self, config: Config, clock: Clock) -> Self {
        let provider = provider(&config, &clock, 2).await;
        self.beside((listen(&provider), provider), clock, config)
    }

    /// Another instance of the same issuer, which knows the same clients and users.
    fn beside(&self, (base, provider): (String, Arc<Provider>), clock: Clock, config: Config) -> Self {
        Self {
            base,
            provider,
            clock,
            secret: self.secret.clone(),
            api_secret: self.api_secret.clone(),
            http: self.http.clone(),
            config,
            folder: tempfile::tempdir().unwrap(),
            _holder: None,
        }
    }

    pub fn backend(&self) -> Backend {
        match self.config.database_url {
            DatabaseUrl::Sqlite(_) => Backend::Sqlite,
            DatabaseUrl::Postgres(_) => Backend::Postgres,
        }
    }

    pub fn admin(&self) -> Admin {
        compose::administration(&self.provider, "test")
    }

    /// What `serve` does every half second.
    pub async fn synchronise(&self) {
        self.provider.synchronise().await.unwrap();
    }
}

/// The built program, ready to be run with this database and master key.
pub fn program(config: &Config, arguments: &[&str]) -> std::process::Command {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_signet"));
    let url = match &config.database_url {
        signet::config::DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        signet::config::DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    };
    program.args(arguments).env_clear().env("SIGNET_DATABASE_URL", url);
    program.env("SIGNET_ISSUER", ISSUER).env("SIGNET_DATA_DIR", &config.data_dir);
    program
}

pub async fn provider(config: &Config, clock: &Clock, seed: u64) -> Arc<Provider> {
    let surroundings = Surroundings {
        clock: clock.clone(),
        entropy: Entropy::seeded(seed),
        // Cheap: what is tested here is not how long a hash takes.
        password_parameters: Parameters::new(64, 1, 1).unwrap(),
    };
    Arc::new(compose::instance(config, ISSUER.parse().unwrap(), surroundings).await.unwrap())
}

/// Serves on a free port of this machine.
pub fn listen(provider: &Arc<Provider>) -> String {
    listen_on(provider, TcpListener::bind("127.0.0.1:0").unwrap(), &[])
}

fn listen_on(provider: &Arc<Provider>, listener: TcpListener, trusted_proxies: &[Network]) -> String {
    serve_here(http::listen(provider, listener, None, limits(trusted_proxies)).unwrap())
}

pub fn limits(trusted_proxies: &[Network]) -> Limits {
    Limits {
        workers: 2,
        drain: Duration::from_secs(1),
        arrival: Duration::from_secs(15),
        keep_alive: Duration::from_secs(60),
        trusted_proxies: trusted_proxies.into(),
        bounds: signet::http::Bounds::default(),
    }
}

/// Serves beside the test, and answers where.
pub fn serve_here(listening: Listening) -> String {
    let base = format!("http://{}", listening.address);
    tokio::task::spawn_local(listening.run());
    base
}
