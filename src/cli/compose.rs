//! Putting a process together from its configuration: the one place that knows how the parts fit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use crate::admin::{self, Admin};
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, MasterKeySource};
use crate::entropy::Entropy;
use crate::keys::master::{self, MasterKeyError, MasterKeyRing};
use crate::keys::{IssuerSecrets, Keys, SecretsError};
use crate::metrics::Metrics;
use crate::oauth::{Directory, KeySetFetches, Origin, PasswordGrantUses, Provider, TokenEvents};
use crate::password::{BreachedPasswords, Parameters, Pool, PoolSettings};
use crate::protocol::issuer::Issuer;
use crate::status::{Allocator, Published};
use crate::store::migrations::Schema;
use crate::store::{Database, Store};

/// How long a login waits for a password worker at most.
const PASSWORD_DEADLINE: Duration = Duration::from_secs(5);

/// The database, opened and at this program's schema.
pub async fn store(config: &Config) -> Result<Store, Failure> {
    let store = open_store(config)?;
    migrate(&store).await?;
    Ok(store)
}

async fn migrate(store: &Store) -> Result<(), Failure> {
    match store.migrate().await? {
        Schema::Newer { unknown } => return Err(newer(&unknown)),
        Schema::Current { applied } if applied > 0 => tracing::info!(applied, "the database was migrated"),
        Schema::Current { .. } | Schema::Behind { .. } => {}
    }
    Ok(())
}

pub fn newer(unknown: &str) -> Failure {
    Failure::Unusable(format!(
        "the database has migration {unknown}, which this program does not know: a newer signet made it. Run that \
         version; nothing was changed"
    ))
}

/// The database as it is.
pub fn open_store(config: &Config) -> Result<Store, Failure> {
    let database = match &config.database_url {
        DatabaseUrl::Postgres(url) => Database::Postgres(url.expose().to_owned()),
        DatabaseUrl::Sqlite(path) => {
            create_folder_of(path)?;
            Database::Sqlite(path.clone())
        }
    };
    let store = Store::open(database, config.database_pool_size.get())?;
    Ok(store.with_queue(config.database_queue.get()))
}

/// Makes the folder that a file is to be in.
pub fn create_folder_of(file: &Path) -> Result<(), Failure> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => create_folder(folder),
        None => Ok(()),
    }
}

/// Makes a folder that only its owner can look into.
pub fn create_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Failure::Unusable(format!("{}: {error}: see that SIGNET_DATA_DIR can be written", folder.display()))
    })
}

/// The master key. One is made only beside a new embedded database: the two then live and are lost together. In every
/// other case a key that silently came about could silently be lost, and the database with it.
pub(super) async fn master_key(config: &Config, store: &Store, entropy: &Entropy) -> Result<MasterKeyRing, Failure> {
    if let MasterKeySource::File(path) = config.master_key_source()
        && !path.exists()
    {
        let embedded = matches!(store.database(), Database::Sqlite(_));
        if !embedded || IssuerSecrets::exist(store).await? {
            return Err(Failure::Unusable(format!(
                "there is no master key at {}: restore the file that this issuer was made with, or, for a new issuer, \
                 make one with `signet master-key create` and keep a copy apart from the database's backups",
                path.display()
            )));
        }
        create_folder_of(path)?;
        match master::create_file(path, entropy) {
            Ok(()) => tracing::info!(file = %path.display(), "a master key was made: keep a copy elsewhere"),
            // Another process was faster.
            Err(MasterKeyError::Exists(_)) => {}
            Err(error) => return Err(unusable_key(&error)),
        }
    }
    master_key_ring(config)
}

/// The master key where it is configured to be.
pub(super) fn master_key_ring(config: &Config) -> Result<MasterKeyRing, Failure> {
    match config.master_key_source() {
        MasterKeySource::File(path) => MasterKeyRing::load(path).map_err(|error| unusable_key(&error)),
        MasterKeySource::Credential(path) => MasterKeyRing::load_credential(path).map_err(|error| unusable_key(&error)),
        MasterKeySource::Text(text) => MasterKeyRing::from_text(text).map_err(|error| {
            Failure::Unusable(format!("SIGNET_MASTER_KEY: {error}: it is what `signet master-key create` writes"))
        }),
    }
}

pub(super) fn unusable_key(error: &MasterKeyError) -> Failure {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::Unusable(format!("{error}{cause}"))
}

/// What a process does not read from its configuration. Tests bring their own: a clock that is moved by hand, seeded
/// randomness, cheap hashes.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub clock: Clock,
    pub entropy: Entropy,
    pub password_parameters: Parameters,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { clock: Clock::system(), entropy: Entropy::system(), password_parameters: Parameters::default() }
    }
}

/// The parts that serving and administration share.
struct Parts {
    store: Store,
    keys: Arc<Keys>,
    secrets: IssuerSecrets,
    passwords: Arc<Pool>,
}

async fn parts(config: &Config, surroundings: &Surroundings, password_workers: usize) -> Result<Parts, Failure> {
    let Surroundings { clock, entropy, password_parameters } = surroundings;
    let store = open_store(config)?;
    if let Schema::Behind { applied: 1.., .. } = store.schema().await? {
        // A wrong master key changes nothing, the schema included: an older program with the right one goes on.
        let master = master_key(config, &store, entropy).await?;
        IssuerSecrets::check(&store, &master).await.map_err(|error| wrong_master_key(config, error))?;
    }
    migrate(&store).await?;
    let master = Arc::new(master_key(config, &store, entropy).await?);
    // The canary, before anything is written under this master key.
    let secrets = IssuerSecrets::open(&store, clock, entropy, &master).await;
    let secrets = secrets.map_err(|error| wrong_master_key(config, error))?;
    let keys = Arc::new(Keys::new(store.clone(), clock.clone(), entropy.clone(), master));
    // Every key opens, before one is made under this master key.
    keys.reload().await.map_err(admin::Error::from)?;
    keys.maintain().await.map_err(admin::Error::from)?;
    keys.reload().await.map_err(admin::Error::from)?;
    let breached = config.breached_passwords_dir.as_deref().map(BreachedPasswords::open);
    let unusable_ranges = |error| Failure::Unusable(format!("SIGNET_BREACHED_PASSWORDS_DIR: {error}"));
    let settings = PoolSettings {
        workers: password_workers,
        queue: config.password_queue.get(),
        deadline: PASSWORD_DEADLINE,
        parameters: *password_parameters,
        breached: breached.transpose().map_err(unusable_ranges)?,
    };
    let threads = |error| Failure::Unusable(format!("no thread to hash passwords on: {error}"));
    let passwords = Arc::new(Pool::new(&settings, entropy.clone()).map_err(threads)?);
    Ok(Parts { store, keys, secrets, passwords })
}

fn wrong_master_key(config: &Config, error: SecretsError) -> Failure {
    match error {
        SecretsError::Store(error) => error.into(),
        other => Failure::Unusable(format!(
            "{other}. The master key is taken from {}: see that it is the one that this issuer was made with \
             (SIGNET_MASTER_KEY_FILE)",
            config.master_key_source()
        )),
    }
}

/// What the administration commands work with.
pub async fn admin(config: &Config) -> Result<Admin, Failure> {
    admin_with(config, 1).await
}

/// The same with more threads to hash passwords on.
pub(super) async fn admin_with(config: &Config, password_workers: usize) -> Result<Admin, Failure> {
    let surroundings = Surroundings::default();
    let Parts { store, keys, passwords, .. } = parts(config, &surroundings, password_workers).await?;
    let Surroundings { clock, entropy, .. } = surroundings;
    Ok(Admin {
        store,
        clock,
        entropy,
        keys,
        passwords,
        actor: "cli".to_owned(),
        origin: Origin::default(),
        provider: None,
        expected_versions: None,
        named: None,
    })
}

/// Administration beside a running issuer, in the same process.
pub fn administration(provider: &Arc<Provider>, actor: &str) -> Admin {
    Admin::at(provider, actor, Origin::default())
}

/// The issuer as the commands see it, which answer nobody.
pub async fn provider(config: &Config) -> Result<Provider, Failure> {
    instance(config, issuer(config)?, Surroundings::default()).await
}

/// The configured issuer; without one, what `signet dev` calls itself.
pub fn issuer(config: &Config) -> Result<Issuer, Failure> {
    if let Some(issuer) = &config.issuer {
        return Ok(issuer.clone());
    }
    let local = format!("https://{}", config.listen);
    local.parse().map_err(|error| Failure::Unusable(format!("{local} {error}: set SIGNET_ISSUER")))
}

/// The issuer, ready to answer.
pub async fn instance(config: &Config, issuer: Issuer, surroundings: Surroundings) -> Result<Provider, Failure> {
    let Parts { store, keys, secrets, passwords } = parts(config, &surroundings, config.password_workers.get()).await?;
    let Surroundings { clock, entropy, .. } = surroundings;
    let started_at = clock.now();
    let provider = Provider {
        lists: Published::new(store.clone(), clock.clone(), keys.clone(), issuer.clone()),
        issuer,
        directory: Directory::new(store.clone()),
        statuses: Allocator::new(store.clone(), clock.clone(), entropy.clone()),
        store,
        clock,
        entropy,
        keys,
        secrets,
        passwords,
        key_set_fetches: KeySetFetches::default(),
        password_grant_uses: PasswordGrantUses::default(),
        token_events: TokenEvents::default(),
        metrics: Metrics::new(started_at),
    };
    provider.synchronise().await.map_err(admin::Error::from)?;
    Ok(provider)
}
