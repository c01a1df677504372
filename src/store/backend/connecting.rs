//! Getting a connection to the primary.
//!
//! signet goes through the hosts itself: tokio-postgres bounds only the opening of a socket, so that a first host which accepts
//! it and says nothing would keep everybody from the second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::ConnectionError;
use diesel::connection::CacheSize;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::{Either, select};
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};

use super::target::Target;
use super::trust::{Trust, Watch};

/// A statement that hangs must not hang its request; a transaction whose owner is gone must not hold its locks.
const SESSION: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'";

impl Target {
    /// How long it takes at most to find out that none of the hosts gives a connection.
    pub(super) fn patience(&self) -> Duration {
        self.patience * u32::try_from(self.hosts.len()).unwrap_or(u32::MAX)
    }

    /// Connects to the first host that takes writes. What becomes of the connection is told to `trust`.
    ///
    /// # Errors
    /// [`ConnectionError::InvalidConnectionUrl`] where the servers refuse the user or have no such database;
    /// [`ConnectionError::BadConnection`] where none can be had now.
    pub(in crate::store) async fn connect(self, trust: Option<Trust>) -> diesel::ConnectionResult<AsyncPgConnection> {
        let count = self.hosts.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut refusals = Vec::new();
        let mut hopeless = true;
        for index in (0..count).map(|step| (first + step) % count) {
            let host = &self.hosts[index];
            // Whoever comes next begins elsewhere if this one is given up, by us or by who waits for it.
            let mut attempt = Attempt { preferred: &self.preferred, next: (index + 1) % count };
            let opened = tokio::time::timeout(self.patience, self.open(host, trust.clone())).await;
            match opened.unwrap_or_else(|_| Err(Refused::passing("it does not answer in time"))) {
                Ok(connection) => {
                    attempt.next = if self.balances { index + 1 } else { index };
                    return Ok(connection);
                }
                Err(refused) => {
                    hopeless &= refused.hopeless;
                    refusals.push(if count == 1 { refused.text } else { format!("{}: {}", name(host), refused.text) });
                }
            }
        }
        let text = refusals.join("; ");
        if let Some(trust) = trust {
            trust.hear(&text);
        }
        Err(if hopeless { ConnectionError::InvalidConnectionUrl(text) } else { ConnectionError::BadConnection(text) })
    }

    async fn open(&self, host: &Config, trust: Option<Trust>) -> Result<AsyncPgConnection, Refused> {
        match self.tls.clone() {
            Some(tls) => {
                let (client, io) = host.connect(tls).await?;
                self.set_up(client, io, trust).await
            }
            None => {
                let (client, io) = host.connect(NoTls).await?;
                self.set_up(client, io, trust).await
            }
        }
    }

    async fn set_up<S>(
        &self,
        client: Client,
        mut io: Connection<Socket, S>,
        trust: Option<Trust>,
    ) -> Result<AsyncPgConnection, Refused>
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        if self.pooled {
            // diesel prepares statements when it sets up a connection: they must all go to one server.
            let begin = std::pin::pin!(client.batch_execute("BEGIN"));
            match select(begin, &mut io).await {
                Either::Left((begun, _)) => begun?,
                Either::Right((ended, _)) => {
                    ended?;
                    return Err(Refused::passing("the connection was closed"));
                }
            }
        }
        let mut connection = AsyncPgConnection::try_from_client_and_connection(client, io).await?;
        if self.pooled {
            connection.set_prepared_statement_cache_size(CacheSize::Disabled);
            connection.batch_execute("COMMIT").await?;
        } else {
            connection.batch_execute(SESSION).await?;
        }
        connection.set_instrumentation(Watch::new(trust, self.pooled));
        Ok(connection)
    }
}

/// Remembers where to begin when it goes out of scope, however that comes.
struct Attempt<'a> {
    preferred: &'a AtomicUsize,
    next: usize,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.preferred.store(self.next, Ordering::Relaxed);
    }
}

/// Why there is no connection.
struct Refused {
    text: String,
    /// Whether trying again is of no use before somebody changes a setting.
    hopeless: bool,
}

impl Refused {
    fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), hopeless: false }
    }
}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        // The text of the outer error is only "db error" or "error connecting to server".
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let refused =
            [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION, SqlState::INVALID_CATALOG_NAME];
        let hopeless = error.code().is_some_and(|code| refused.contains(code));
        Self { text: format!("{error}{cause}"), hopeless }
    }
}

impl From<ConnectionError> for Refused {
    fn from(error: ConnectionError) -> Self {
        Self::passing(error.to_string())
    }
}

impl From<diesel::result::Error> for Refused {
    fn from(error: diesel::result::Error) -> Self {
        Self::passing(error.to_string())
    }
}

/// What a host is called in the log.
fn name(host: &Config) -> String {
    let port = host.get_ports().first().copied().unwrap_or(5432);
    match host.get_hosts().first() {
        Some(Host::Tcp(name)) => format!("{name}:{port}"),
        #[cfg(unix)]
        Some(Host::Unix(path)) => format!("{}:{port}", path.display()),
        None => host.get_hostaddrs().first().map(|address| format!("{address}:{port}")).unwrap_or_default(),
    }
}
