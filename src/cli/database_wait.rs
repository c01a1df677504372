//! Starting before the database does: after a power cut all machines start at once.

use std::time::{Duration, Instant};

use super::compose;
use super::failure::Failure;
use crate::config::{Config, DatabaseUrl};
use crate::entropy::Entropy;
use crate::store::Unreachable;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Returns once the database can be reached.
///
/// # Errors
/// When it could not be within `SIGNET_DATABASE_WAIT`, or refuses this program for good.
pub async fn wait_for_database(config: &Config) -> Result<(), Failure> {
    if matches!(config.database_url, DatabaseUrl::Sqlite(_)) {
        return Ok(());
    }
    let (store, entropy) = (compose::open_store(config)?, Entropy::system());
    let database = config.database_url.without_secrets();
    let patience = Duration::from_secs(config.database_wait.get().try_into().unwrap_or(u64::MAX));
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let why = match store.reach().await {
            Ok(()) => return Ok(()),
            Err(Unreachable::Ever(why)) => {
                let advice = "see SIGNET_DATABASE_URL, and the user and database that it names";
                return Err(Failure::Unusable(format!("the database at {database} refuses: {why}: {advice}")));
            }
            Err(Unreachable::Now(why)) => why,
        };
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            let advice = "see that SIGNET_DATABASE_URL is right and the database runs (SIGNET_DATABASE_WAIT)";
            let waited = began.elapsed().as_secs();
            let text = format!("the database at {database} cannot be reached, for {waited} s: {why}: {advice}");
            return Err(Failure::Unusable(text));
        }
        tracing::warn!(error = why, seconds_left = left.as_secs(), "waiting for the database at {database}");
        // Instances that were started together do not ask in step.
        let [random] = entropy.bytes();
        tokio::time::sleep((pause + pause * u32::from(random) / 256).min(left)).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}
