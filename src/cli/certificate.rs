//! What `signet doctor` finds out about the TLS certificate.

use chrono::{DateTime, Utc};

use crate::certificate::Files;
use crate::clock::Clock;
use crate::config::{CertificateSource, Config, TlsFiles};
use crate::store::{Store, acme};

/// `None` where this program serves no TLS, or its settings are not complete.
pub async fn examine(config: &Config, store: &Store) -> Option<Result<String, String>> {
    let now = Clock::system().now();
    match config.check_for_serve().ok()?.tls? {
        CertificateSource::Files(TlsFiles { cert, key }) => {
            let files = Files { chain: cert.to_owned(), key: key.to_owned() };
            let held = files.load().map_err(|error| error.to_string());
            Some(held.and_then(|held| judge(&cert.display().to_string(), held.not_after, held.ends_soon(now), now)))
        }
        CertificateSource::Ordered { domains } => {
            Some(ordered(store, (config.acme_directory.as_str(), &domains.join(",")), now).await)
        }
    }
}

async fn ordered(store: &Store, key: (&str, &str), now: DateTime<Utc>) -> Result<String, String> {
    let mut connection = store.reading().await.map_err(|error| error.to_string())?;
    let row = acme::find(&mut connection, key).await.map_err(|error| error.to_string())?;
    let Some(row) = row else { return Ok(format!("{}: the first `serve` orders one", key.1)) };
    let failed = row.last_error.map(|error| {
        let next = row.next_order_at.format("%FT%TZ");
        format!("the last of {} orders in a row failed: {error}. The next is due at {next}", row.failures)
    });
    // That it is not renewed in time is said by the orders that fail.
    let told = row.not_after.map(|not_after| judge(key.1, not_after, false, now));
    match (told, failed) {
        (Some(Ok(valid)), None) => Ok(valid),
        (Some(Ok(told) | Err(told)), Some(failed)) => Err(format!("{told}; {failed}")),
        (Some(Err(ends)), None) => Err(ends),
        (None, Some(failed)) => Err(format!("{}: there is none yet; {failed}", key.1)),
        (None, None) => Ok(format!("{}: there is none yet; a serving instance orders it", key.1)),
    }
}

fn judge(what: &str, not_after: DateTime<Utc>, soon: bool, now: DateTime<Utc>) -> Result<String, String> {
    let told = format!("{what} is valid until {}", not_after.format("%FT%TZ"));
    if not_after <= now {
        Err(format!("{what} has ended at {}: clients refuse it", not_after.format("%FT%TZ")))
    } else if soon {
        Err(format!("{told}, for less than {} days: replace its files", (not_after - now).num_days() + 1))
    } else {
        Ok(told)
    }
}
