//! A whole issuer for one test: the wiring of `signet serve` on a database of its own, with the clock moved by hand.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use signet::admin::Admin;
use signet::admin::clients::NewClient;
use signet::admin::resource_servers::NewResourceServer;
use signet::admin::users::NewUser;
use signet::cli::compose::{self, Surroundings};
use signet::clock::Clock;
use signet::config::{Config, DatabaseUrl};
use signet::entropy::Entropy;
use signet::http::{self, Limits};
use signet::keys::master;
use signet::oauth::Provider;
use signet::password::Parameters;
use signet::protocol::client::{AuthMethod, GrantType};
use signet::protocol::jwk::Algorithm;
use signet::secret::Secret;
use signet::store::{Database, Store};

use super::{cluster, sql};

mod variant;

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

/// What a test's database is: dropping it removes it.
enum Holder {
    Sqlite,
    Postgres { _database: cluster::Database, _own: Option<Arc<cluster::Cluster>> },
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
    _holder: Holder,
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
    pub async fn start(backend: Backend) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (url, holder) = match backend {
            Backend::Sqlite => (format!("sqlite:{}", folder.path().join("signet.db").display()), Holder::Sqlite),
            Backend::Postgres => {
                let database = cluster::shared()?.database(migrate);
                (database.url().to_owned(), Holder::Postgres { _database: database, _own: None })
            }
        };
        Some(Self::on(folder, &url, holder).await)
    }

    /// On a cluster of the test's own, which it may stop.
    pub async fn on_cluster(cluster: &Arc<cluster::Cluster>) -> Self {
        let database = cluster.database(migrate);
        let url = database.url().to_owned();
        let holder = Holder::Postgres { _database: database, _own: Some(cluster.clone()) };
        Self::on(tempfile::tempdir().unwrap(), &url, holder).await
    }

    async fn on(folder: tempfile::TempDir, url: &str, holder: Holder) -> Self {
        let config = config(folder.path(), url);
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
        Self {
            base: listen(&provider),
            provider,
            clock,
            secret: self.secret.clone(),
            api_secret: self.api_secret.clone(),
            http: self.http.clone(),
            config,
            folder: tempfile::tempdir().unwrap(),
            _holder: Holder::Sqlite,
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

    pub async fn api(&self, audience: &str, scope: &str, signing_algorithm: Algorithm) -> String {
        let new = NewResourceServer {
            audience: audience.to_owned(),
            scope: scope.parse().unwrap(),
            access_token_lifetime: None,
            signing_algorithm,
        };
        let done = self.admin().create_resource_server(new).await.unwrap();
        self.synchronise().await;
        done.client_secret.unwrap().expose().to_owned()
    }

    /// Makes a client with every scope of its audiences; answers its secret.
    pub async fn client(
        &self,
        client_id: &str,
        audiences: &[&str],
        grant_types: &[GrantType],
        method: Option<AuthMethod>,
    ) -> Option<String> {
        let new = NewClient {
            client_id: client_id.to_owned(),
            grant_types: grant_types.to_vec(),
            audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
            scope: None,
            token_endpoint_auth_method: method,
            access_token_lifetime: None,
            refresh_idle_lifetime: None,
            refresh_absolute_lifetime: None,
        };
        let done = self.admin().create_client(new).await.unwrap();
        self.synchronise().await;
        done.client_secret.map(|secret| secret.expose().to_owned())
    }

    pub async fn user(&self, username: &str) {
        let new = NewUser { username: username.to_owned(), email: None, password: Secret::new(PASSWORD) };
        self.admin().create_user(new).await.unwrap();
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(chrono::Duration::seconds(seconds));
    }

    /// A form to an endpoint, as the client `erp` by Basic.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_as(path, ("erp", &self.secret), form).await
    }

    pub async fn post_as(&self, path: &str, (id, secret): (&str, &str), form: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).basic_auth(encode(id), Some(encode(secret)));
        Answer::of(request.form(form)).await
    }

    /// A form without an `Authorization` header.
    pub async fn post_bare(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(format!("{}{path}", self.base)).form(form)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.base))).await
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/oauth2/token", form).await
    }

    /// Logs alice in at the client `erp`.
    pub async fn log_in(&self) -> Tokens {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        self.token(&form).await.tokens()
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// What the API learns about a token.
    pub async fn introspect(&self, token: &str) -> Value {
        let answer = self.post_as("/oauth2/introspect", (API, &self.api_secret), &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub async fn introspect_as_client(&self, token: &str) -> Value {
        self.post("/oauth2/introspect", &[("token", token)]).await.json()
    }

    /// Does to the database what no part of the program does.
    pub async fn sql(&self, statement: &str) {
        sql::execute(&self.config.database_url, statement).await.unwrap();
    }

    pub async fn newest_event(&self) -> signet::store::audit_events::AuditEvent {
        let mut connection = self.provider.store.reading().await.unwrap();
        signet::store::audit_events::newest(&mut connection, 1).await.unwrap().remove(0)
    }

    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await["active"].as_bool().unwrap()
    }
}

pub fn config(folder: &std::path::Path, url: &str) -> Config {
    let master_key = folder.join("master.key");
    if !master_key.exists() {
        master::create_file(&master_key, &Entropy::system()).unwrap();
    }
    let variables = [
        ("SIGNET_ISSUER", ISSUER.to_owned()),
        ("SIGNET_DATA_DIR", folder.display().to_string()),
        ("SIGNET_DATABASE_URL", url.to_owned()),
        ("SIGNET_DATABASE_POOL_SIZE", "8".to_owned()),
        ("SIGNET_TLS", "off".to_owned()),
        ("SIGNET_WORKERS", "2".to_owned()),
    ];
    Config::from_sources(variables.map(|(name, value)| (name.to_owned(), value)), None).unwrap()
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
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = Limits { workers: 2, drain: Duration::from_secs(1), arrival: Duration::from_secs(15) };
    let listening = http::listen(provider, listener, None, limits).unwrap();
    let base = format!("http://{}", listening.address);
    tokio::task::spawn_local(listening.run());
    base
}

/// For the template of the shared cluster.
pub fn migrate(url: &str) {
    let database = Database::Postgres(url.to_owned());
    let migrating = std::thread::spawn(move || block_on(async { Store::open(database, 1).unwrap().migrate().await }));
    migrating.join().unwrap().unwrap();
}

/// Form-encodes one half of Basic credentials (RFC 6749 §2.3.1).
fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

/// What a successful token request gives.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub body: Value,
}

impl Tokens {
    pub fn refresh(&self) -> &str {
        self.refresh_token.as_deref().expect("a refresh token")
    }

    /// The claims, unverified.
    pub fn claims(&self) -> Value {
        claims(&self.access_token)
    }
}

pub fn claims(token: &str) -> Value {
    decoded(token, 1)
}

pub fn header(token: &str) -> Value {
    decoded(token, 0)
}

/// The generation that a refresh token stands for, read from its bytes: behind a version and the grant's identifier.
pub fn generation(refresh_token: &str) -> i64 {
    use base64::Engine as _;
    let encoded = refresh_token.strip_prefix("sgr_").expect("a refresh token");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).unwrap();
    u32::from_be_bytes(bytes[17..21].try_into().unwrap()).into()
}

fn decoded(token: &str, part: usize) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(part).expect("a JWT");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.text);
        let body = self.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Tokens { access_token: text("access_token").unwrap(), refresh_token: text("refresh_token"), body }
    }

    /// Asserts a refusal in the form of RFC 6749 §5.2.
    #[track_caller]
    pub fn refused(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json()["error"].as_str().unwrap()), (status, error), "{}", self.text);
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("www-authenticate").starts_with("Basic "), status == 401);
        assert_eq!(self.headers.contains_key("retry-after"), status == 503);
    }
}
