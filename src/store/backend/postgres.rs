//! PostgreSQL: a pool over rustls, advisory locks, NOTIFY.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::ConnectionError;
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;

/// How long a request waits for a connection before it is answered 503.
const WAIT: Duration = Duration::from_secs(5);

/// A statement that hangs must not hang its request; a transaction whose owner is gone must not hold its locks.
const SESSION: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'";

pub(super) fn pool(url: &str, size: usize) -> Result<Pool<AsyncPgConnection>, Error> {
    let target = Target::parse(url)?;
    let mut config = ManagerConfig::default();
    // A closed connection is seen without a round trip; one that dies in use answers one request with 503.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |_| target.clone().connect().boxed());
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Failed(error.to_string()))
}

/// A server and how to speak to it.
#[derive(Clone)]
pub(in crate::store) struct Target {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

impl Target {
    /// Understands `sslmode` and `sslrootcert` itself: tokio-postgres encrypts but leaves the checking of names to the
    /// TLS library, which here always checks. So `require`, `verify-ca` and `verify-full` are all `verify-full`; only
    /// `disable` is less, and it is the default for a socket file or a loopback address alone.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, Error> {
        let fault = |what: String| Error::Failed(format!("the database URL: {what}"));
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = None;
        let mut root_certificates = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => {
                    let path = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
                    root_certificates = Some(path);
                }
                _ => rest.push(pair),
            }
        }
        let address = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
        let mut config: tokio_postgres::Config = address.parse().map_err(|error| fault(format!("{error}")))?;
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => return Err(fault(format!("sslmode={other} is not disable or verify-full"))),
            None => {
                // `hostaddr` is where it really goes, whatever the host is called.
                let stays = config.get_hostaddrs().iter().all(IpAddr::is_loopback);
                !(stays && config.get_hosts().iter().all(is_local))
            }
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        config.application_name("signet").connect_timeout(WAIT);
        // A server that vanished is noticed in time, whether it owes an answer or is listened to.
        config.tcp_user_timeout(2 * WAIT).keepalives_idle(6 * WAIT).keepalives_interval(WAIT).keepalives_retries(3);
        let tls = if encrypted { Some(connector(root_certificates.as_deref()).map_err(fault)?) } else { None };
        Ok(Self { config, tls })
    }

    pub(in crate::store) async fn connect(self) -> diesel::ConnectionResult<AsyncPgConnection> {
        let refused = |error: tokio_postgres::Error| {
            // The text of the outer error is only "db error" or "error connecting to server".
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            ConnectionError::BadConnection(format!("{error}{cause}"))
        };
        let mut connection = match self.tls {
            Some(tls) => {
                let (client, io) = self.config.connect(tls).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, io).await?
            }
            None => {
                let (client, io) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, io).await?
            }
        };
        connection.batch_execute(SESSION).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn connector(root_certificates: Option<&str>) -> Result<MakeRustlsConnect, String> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = root_certificates {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("sslrootcert {path}: {error}"))?;
        for certificate in certificates {
            roots.add(certificate).map_err(|error| format!("sslrootcert {path}: {error}"))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err("no certificate authority to check the server with: give sslrootcert=FILE".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Marks our advisory locks among others on the same database: "sgnt".
const LOCK_SPACE: i64 = 0x7367_6e74 << 32;

pub(super) async fn lock(connection: &mut Object<AsyncPgConnection>, number: i64) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(LOCK_SPACE | number)
        .execute(&mut **connection)
        .await?;
    Ok(())
}

/// Waits for everybody who writes to `table`, and keeps others waiting: readers go on.
pub(super) async fn exclude_writers(
    connection: &mut Object<AsyncPgConnection>,
    table: &'static str,
) -> Result<(), Error> {
    let statements = format!(
        "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '30s'; \
         LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"
    );
    Ok(connection.batch_execute(&statements).await?)
}

/// Lets the transaction that has just begun see one state throughout, and wait as long as the other database takes with a
/// whole table of it.
pub(super) async fn freeze(connection: &mut Object<AsyncPgConnection>) -> Result<(), Error> {
    let patient = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0";
    Ok(connection.batch_execute(patient).await?)
}

pub(super) async fn clock(connection: &mut Object<AsyncPgConnection>) -> Result<DateTime<Utc>, Error> {
    let query = diesel::select(diesel::dsl::sql::<Timestamptz>("clock_timestamp()"));
    Ok(query.get_result(&mut **connection).await?)
}

/// The channel of NOTIFY; its payload is the topic.
pub(super) const CHANNEL: &str = "signet";

pub(super) async fn notify(connection: &mut Object<AsyncPgConnection>, topic: &str) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(topic)
        .execute(&mut **connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_leaves_the_machine_is_encrypted_unless_that_is_forbidden() {
        let authority = tempfile::NamedTempFile::new().unwrap();
        let certificate = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
        std::fs::write(authority.path(), certificate).unwrap();
        for (address, encrypted) in [
            ("localhost/signet?", false),
            ("127.0.0.1/signet?", false),
            ("[::1]/signet?", false),
            ("%2Frun%2Fpostgresql/signet?", false),
            ("localhost/signet?hostaddr=127.0.0.1&", false),
            ("db.example/signet?", true),
            ("10.0.0.5/signet?", true),
            ("localhost,db.example/signet?", true),
            ("localhost/signet?hostaddr=10.0.0.5&", true),
            ("/signet?hostaddr=10.0.0.5&", true),
            ("db.example/signet?hostaddr=127.0.0.1&", true),
            ("db.example/signet?sslmode=disable&", false),
            ("localhost/signet?sslmode=require&", true),
        ] {
            let url = format!("postgres://signet@{address}sslrootcert={}", authority.path().display());
            assert_eq!(Target::parse(&url).unwrap().tls.is_some(), encrypted, "{url}");
        }
    }
}
