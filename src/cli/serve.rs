//! `signet serve`: the issuer, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::compose::{self, Surroundings};
use super::failure::Failure;
use super::{database_wait, hangup, open_files, shutdown, supervisor, tls};
use crate::background;
use crate::config::{Config, DatabaseUrl, Otlp};
use crate::http::{self, Bounds, Limits, Listening};
use crate::oauth::Provider;
use crate::protocol::issuer::Issuer;
use crate::telemetry::traces::Traces;

/// How long requests in flight may take once the process was told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// How long what is still in memory may take to be written.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long each half of a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How long a connection is kept on which nothing is asked.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

pub async fn serve(config: &Config) -> Result<(), Failure> {
    let serving = config.check_for_serve()?;
    let hangup = Arc::default();
    let tls = serving.tls.map(|source| tls::prepare(config, source, &hangup)).transpose()?;
    run(config, serving.issuer.clone(), (tls, hangup), async |_: &Arc<Provider>, _| Ok(())).await
}

/// Serves until SIGINT or SIGTERM. `ready` is called once the listeners stand, with the address for administrators.
pub async fn run(
    config: &Config,
    issuer: Issuer,
    (tls, hangup): (Option<tls::Prepared>, Arc<Notify>),
    ready: impl AsyncFnOnce(&Arc<Provider>, Option<SocketAddr>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Before anybody knows of this process: the signal would end it.
    let hangups = hangup::take(hangup);
    let traces = Otlp::from_environment()?.map(|otlp| Traces::begin(&otlp)).transpose();
    let traces = traces.map_err(|error| Failure::Unusable(format!("traces: {error}")))?;
    // First of all: an address in use should be known before anything is opened.
    let listener = bind(config.listen, "SIGNET_LISTEN")?;
    let admin_listener = config.admin_listen.0.map(|address| bind(address, "SIGNET_ADMIN_LISTEN")).transpose()?;
    let redirect_listener =
        config.redirect_listen.0.map(|address| bind(address, "SIGNET_REDIRECT_LISTEN")).transpose()?;
    // Held until the process ends; taken before the database is opened, which a second server must not even migrate.
    let _lock = match &config.database_url {
        DatabaseUrl::Sqlite(file) => Some(only_server(file)?),
        DatabaseUrl::Postgres(_) => None,
    };
    database_wait::wait_for_database(config).await?;
    let provider = Arc::new(compose::instance(config, issuer, Surroundings::default()).await?);
    // Not earlier: while the database is waited for, a signal ends the process at once.
    let signals = shutdown::Signals::catch();
    let bounds = Bounds { connections: open_files::for_connections(config), ..Bounds::of(config) };
    let limits = Limits {
        workers: config.workers.get(),
        drain: DRAIN,
        arrival: ARRIVAL,
        keep_alive: KEEP_ALIVE,
        trusted_proxies: config.trusted_proxies.as_slice().into(),
        bounds,
    };
    let (shown, server_config) =
        (tls.as_ref().map(|tls| tls.shown.clone()), tls.as_ref().map(|tls| tls.config.clone()));
    let redirecting = redirect_listener.map(|listener| {
        let limits = Limits { workers: 1, ..limits.clone() };
        http::listen_to_redirect(&provider, shown.as_ref(), listener, limits).map_err(failed)
    });
    let redirecting = redirecting.transpose()?;
    let administering = admin_listener.map(|listener| {
        // Few administrators: one thread answers them.
        let bounds = limits.bounds.for_administrators();
        let limits = Limits { workers: 1, bounds, ..limits.clone() };
        http::listen_for_administrators(&provider, listener, server_config.clone(), limits).map_err(failed)
    });
    let administering = administering.transpose()?;
    let listening = http::listen(&provider, listener, server_config, limits).map_err(failed)?;
    tracing::info!(
        issuer = provider.issuer.as_str(),
        address = %listening.address,
        administration = administering.as_ref().map(|listening| listening.address.to_string()),
        redirection = redirecting.as_ref().map(|listening: &Listening| listening.address.to_string()),
        database = ?provider.store.database(),
        "ready"
    );
    ready(&provider, administering.as_ref().map(|listening| listening.address)).await?;
    supervisor::ready();
    let others = administering.iter().chain(&redirecting).map(Listening::stop);
    let servers = std::iter::once(listening.stop()).chain(others).collect();
    let certificate = match tls {
        Some(tls) => tls.keep(&provider).await?,
        None => Box::pin(std::future::pending()),
    };
    let follow = background::follow(provider.clone());
    let maintain = background::maintain(provider.clone());
    let record = background::record(provider.clone());
    let mut record_tokens = pin!(background::record_tokens(provider.clone()));
    let tell = background::tell(provider.clone());
    let delay = Duration::from_secs(config.shutdown_delay.get().try_into().unwrap_or(u64::MAX));
    let stop = shutdown::orderly(signals, servers, delay);
    let run = async |listening: Option<Listening>| match listening {
        Some(listening) => listening.run().await,
        None => std::future::pending().await,
    };
    let ended = tokio::select! {
        // Ends when the server failed, or has drained after a signal, at the latest in the time that it has for that.
        outcome = async { tokio::try_join!(listening.run(), run(administering), run(redirecting)) } => outcome.map(drop).map_err(failed),
        () = stop => Ok(()),
        () = async { tokio::join!(follow, maintain, record, tell, &mut record_tokens, certificate, hangups); } => Ok(()),
    };
    // What the last requests were given. The task goes on to its end: dropped in a transaction, it would leave that open.
    provider.token_events.close();
    if tokio::time::timeout(FAREWELL, record_tokens).await.is_err() {
        tracing::warn!("the last token events could not be written down in time");
    }
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::Unusable(format!("listening on {address}: {error}: see {variable}, and what else listens there"))
    })
}

fn failed(error: std::io::Error) -> Failure {
    Failure::Unusable(format!("the server failed: {error}"))
}

/// One serving process an SQLite file: a second would hold copies that nobody tells of changes in time.
fn only_server(database: &Path) -> Result<std::fs::File, Failure> {
    compose::create_folder_of(database)?;
    let path = format!("{}.serving", database.display());
    let failed = |error| Failure::Unusable(format!("{path}: {error}"));
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    file.try_lock().map_err(|_| {
        Failure::Unusable(format!(
            "another signet serves {}: an SQLite database is for one instance. Stop the other, or move to PostgreSQL \
             (`signet database copy --to postgres://…`) for several",
            database.display()
        ))
    })?;
    Ok(file)
}
