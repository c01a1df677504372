//! Further instances on the database of an [`App`] that differ from it: in issuer, clock, hash parameters or settings.

use std::net::TcpListener;
use std::sync::Arc;

use signet::cli::compose::{self, Surroundings};
use signet::clock::Clock;
use signet::config::{Config, DatabaseUrl};
use signet::entropy::Entropy;
use signet::password::Parameters;

use super::{App, ISSUER, listen_on};

/// What is not as in the [`App`] itself.
pub struct Variant<'a> {
    pub issuer: &'a str,
    /// How far its clock is ahead.
    pub skew: i64,
    pub parameters: Parameters,
    /// Settings by their variables.
    pub settings: &'a [(&'a str, &'a str)],
    pub seed: u64,
}

impl Default for Variant<'_> {
    fn default() -> Self {
        Self { issuer: ISSUER, skew: 0, parameters: Parameters::new(64, 1, 1).unwrap(), settings: &[], seed: 3 }
    }
}

impl App {
    /// An instance on the same database. With a skew its clock is another one, which [`App::advance`] does not move.
    pub async fn variant(&self, variant: Variant<'_>) -> Self {
        self.variant_on(TcpListener::bind("127.0.0.1:0").unwrap(), variant).await
    }

    /// An instance that is found at the address that its issuer names.
    pub async fn at_its_own_address(&self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        self.variant_on(listener, Variant { issuer: &issuer, ..Variant::default() }).await
    }

    async fn variant_on(&self, listener: TcpListener, variant: Variant<'_>) -> Self {
        let clock = if variant.skew == 0 {
            self.clock.clone()
        } else {
            Clock::manual(self.clock.now() + chrono::Duration::seconds(variant.skew))
        };
        let config = self.config_with(variant.settings);
        let surroundings = Surroundings {
            clock: clock.clone(),
            entropy: Entropy::seeded(variant.seed),
            password_parameters: variant.parameters,
        };
        let issuer = variant.issuer.parse().unwrap();
        let provider = Arc::new(compose::instance(&config, issuer, surroundings).await.unwrap());
        let base = listen_on(&provider, listener, config.trusted_proxies.as_slice());
        self.beside((base, provider), clock, config)
    }

    fn config_with(&self, settings: &[(&str, &str)]) -> Config {
        let url = match &self.config.database_url {
            DatabaseUrl::Postgres(url) => url.expose().to_owned(),
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        };
        let own = [
            ("SIGNET_DATABASE_URL", url),
            ("SIGNET_DATA_DIR", self.config.data_dir.display().to_string()),
            ("SIGNET_TLS", "off".to_owned()),
        ];
        let given = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let all = own.into_iter().chain(given).map(|(name, value)| (name.to_owned(), value));
        Config::from_sources(all, None).unwrap()
    }
}
