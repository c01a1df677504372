//! A certificate in two files, read again when they change: whoever renews it (certbot, cert-manager, an administrator)
//! replaces the files and need not tell signet.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::sync::Notify;

use super::{Held, Shown, Unusable};
use crate::clock::Clock;

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// Where the chain and the key are (PEM).
#[derive(Clone, Debug)]
pub struct Files {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("{}: {error}: see that signet can read it", .file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{}: {why}", .file.display())]
    Unusable { file: PathBuf, why: Unusable },
}

/// What was read, and a digest that tells whether it has changed.
struct Contents {
    chain: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
    digest: digest::Digest,
}

impl Files {
    /// Reads both.
    ///
    /// # Errors
    /// When one cannot be read or used, or the key is not the certificate's.
    pub fn load(&self) -> Result<Held, FilesError> {
        self.parse(&self.read()?)
    }

    fn read(&self) -> Result<Contents, FilesError> {
        let read =
            |file: &Path| std::fs::read(file).map_err(|error| FilesError::Unreadable { file: file.to_owned(), error });
        let (chain, key) = (read(&self.chain)?, zeroize::Zeroizing::new(read(&self.key)?));
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&chain.len().to_be_bytes());
        context.update(&chain);
        context.update(&key);
        Ok(Contents { chain, key, digest: context.finish() })
    }

    fn parse(&self, contents: &Contents) -> Result<Held, FilesError> {
        Held::from_pem(&contents.chain, &contents.key).map_err(|why| {
            let file = if matches!(why, Unusable::NotKey(_)) { &self.key } else { &self.chain };
            FilesError::Unusable { file: file.clone(), why }
        })
    }

    /// Shows what the files hold now, then whatever they come to hold, until the task is dropped. It is looked every few
    /// seconds, and at once when `asked`. What cannot be used (one file is replaced before the other) is passed over: the
    /// former certificate is shown until both fit.
    ///
    /// # Errors
    /// When what the files hold at first cannot be used.
    pub fn follow(
        self,
        shown: Arc<Shown>,
        clock: Clock,
        asked: Arc<Notify>,
    ) -> Result<impl Future<Output = ()>, FilesError> {
        let first = self.read()?;
        shown.show(self.parse(&first)?);
        let mut seen = first.digest;
        Ok(async move {
            let mut warned_at = None;
            let mut fault = None;
            loop {
                warn_of_end(&shown, &clock, &mut warned_at);
                let by_request = tokio::time::timeout(LOOK, asked.notified()).await.is_ok();
                let files = self.clone();
                // Files may be on a network that hangs.
                let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else { continue };
                let outcome = match read {
                    Ok(contents) if contents.digest.as_ref() == seen.as_ref() && !by_request => continue,
                    Ok(contents) => self.parse(&contents).map(|held| (held, contents.digest)),
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok((held, digest)) => {
                        tracing::info!(file = %self.chain.display(), not_after = %held.not_after, "the certificate was read again");
                        shown.show(held);
                        (seen, fault, warned_at) = (digest, None, None);
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if by_request || fault.as_ref() != Some(&error) {
                            tracing::warn!(error, "the new certificate cannot be used: the former one stays");
                        }
                        fault = Some(error);
                    }
                }
            }
        })
    }
}

/// Says once a day that the certificate ends soon, or has ended.
fn warn_of_end(shown: &Shown, clock: &Clock, warned_at: &mut Option<chrono::DateTime<chrono::Utc>>) {
    let now = clock.now();
    let Some(not_after) = shown.ends_soon(now) else { return };
    if warned_at.is_none_or(|at| at + chrono::Duration::days(1) <= now) {
        if not_after <= now {
            tracing::error!(%not_after, "the TLS certificate has ended: clients refuse it. Replace its files");
        } else {
            tracing::warn!(%not_after, "the TLS certificate ends soon: replace its files");
        }
        *warned_at = Some(now);
    }
}
