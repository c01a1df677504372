//! The database of one test, with a master key of its own: nothing of it is left when it is dropped.

use std::path::Path;
use std::sync::Arc;

use signet::cli::compose;
use signet::config::Config;
use signet::entropy::Entropy;
use signet::keys::master;
use signet::store::{Database, Store};

use super::{Backend, ISSUER, block_on};
use crate::support::cluster;

/// Keeps a PostgreSQL database, and the cluster where that is the test's own.
#[expect(dead_code, reason = "held to be dropped with the test")]
pub struct Holder(cluster::Database, Option<Arc<cluster::Cluster>>);

/// An empty database, migrated.
pub struct Place {
    pub config: Config,
    pub(super) folder: tempfile::TempDir,
    pub(super) holder: Option<Holder>,
}

impl Place {
    /// `None` where there is no PostgreSQL.
    pub async fn new(backend: Backend) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (url, holder) = match backend {
            Backend::Sqlite => (format!("sqlite:{}", folder.path().join("signet.db").display()), None),
            Backend::Postgres => {
                let database = cluster::shared()?.database(migrate);
                (database.url().to_owned(), Some(Holder(database, None)))
            }
        };
        let config = config(folder.path(), &url);
        compose::store(&config).await.unwrap();
        Some(Self { config, folder, holder })
    }

    /// On a cluster of the test's own, which it may stop.
    pub fn on_cluster(cluster: &Arc<cluster::Cluster>) -> Self {
        let (folder, database) = (tempfile::tempdir().unwrap(), cluster.database(migrate));
        let config = config(folder.path(), database.url());
        Self { config, folder, holder: Some(Holder(database, Some(cluster.clone()))) }
    }
}

pub fn config(folder: &Path, url: &str) -> Config {
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

/// For the template of the shared cluster.
pub fn migrate(url: &str) {
    let database = Database::Postgres(url.to_owned());
    let migrating = std::thread::spawn(move || block_on(async { Store::open(database, 1).unwrap().migrate().await }));
    migrating.join().unwrap().unwrap();
}
