//! A PostgreSQL server, or several of which one is the primary: what the URL says of them. `connecting.rs` goes there.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;
use super::near::WAIT;

/// How long one of several hosts may take to give a connection, unless the URL says (`connect_timeout`).
const ONE_OF_SEVERAL: Duration = Duration::from_secs(2);

/// Servers of which one takes writes, and how to speak to them.
#[derive(Clone)]
pub(in crate::store) struct Target {
    /// One each, in the order of the URL.
    pub(super) hosts: Vec<Config>,
    /// Where to begin: the host that gave the last connection.
    pub(super) preferred: Arc<AtomicUsize>,
    /// `load_balance_hosts=random`: begin with another each time, which is of use where each host is a pooler.
    pub(super) balances: bool,
    pub(super) patience: Duration,
    /// `pooler=transaction`: a pooler is in between that may give each transaction another server.
    pub(in crate::store) pooled: bool,
    pub(super) tls: Option<MakeRustlsConnect>,
}

/// What the URL may hold that is decided here.
#[derive(Default)]
struct Options {
    ssl_mode: Option<String>,
    root_certificates: Option<String>,
    pooled: bool,
}

impl Options {
    /// Takes them out of the URL.
    fn take_from(url: &str) -> Result<(Self, String), Error> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut options = Self::default();
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => options.ssl_mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => {
                    let path = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
                    options.root_certificates = Some(path);
                }
                // What cannot be written to is of no use here, so this is how it is in any case.
                Some(("target_session_attrs", "read-write" | "primary")) => {}
                Some(("target_session_attrs", other)) => {
                    return Err(fault(format!("target_session_attrs={other} is not read-write, which is the default")));
                }
                Some(("pooler", "transaction")) => options.pooled = true,
                Some(("pooler", other)) => return Err(fault(format!("pooler={other} is not transaction"))),
                _ => rest.push(pair),
            }
        }
        let address = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
        Ok((options, address))
    }
}

fn fault(what: impl std::fmt::Display) -> Error {
    Error::Failed(format!("the database URL: {what}"))
}

impl Target {
    /// Understands `sslmode` and `sslrootcert` itself: tokio-postgres encrypts but leaves the checking of names to the
    /// TLS library, which here always checks. So `require`, `verify-ca` and `verify-full` are all `verify-full`; only
    /// `disable` is less, and it is the default for a socket file or a loopback address alone.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, Error> {
        let (options, address) = Options::take_from(url)?;
        let mut config: Config = address.parse().map_err(fault)?;
        let encrypted = match options.ssl_mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => return Err(fault(format!("sslmode={other} is not disable or verify-full"))),
            None => {
                // `hostaddr` is where it really goes, whatever the host is called.
                let stays = config.get_hostaddrs().iter().all(IpAddr::is_loopback);
                !(stays && config.get_hosts().iter().all(is_local))
            }
        };
        let several = config.get_hosts().len().max(config.get_hostaddrs().len()) > 1;
        let patience = config.get_connect_timeout().copied();
        let patience = patience.unwrap_or(if several { ONE_OF_SEVERAL } else { WAIT });
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.application_name("signet").connect_timeout(patience);
        // A server that vanished is noticed in time, whether it owes an answer or is listened to.
        config.tcp_user_timeout(2 * WAIT).keepalives_idle(6 * WAIT).keepalives_interval(WAIT).keepalives_retries(3);
        let roots = options.root_certificates.as_deref();
        let tls = if encrypted { Some(connector(roots).map_err(fault)?) } else { None };
        Ok(Self {
            hosts: one_each(&config)?,
            preferred: Arc::default(),
            balances: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            patience,
            pooled: options.pooled,
            tls,
        })
    }
}

/// A configuration for each host of one for several.
fn one_each(all: &Config) -> Result<Vec<Config>, Error> {
    let (hosts, addresses, ports) = (all.get_hosts(), all.get_hostaddrs(), all.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err(fault("there is no host in it"));
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(fault("there must be as many hostaddr as hosts"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(fault("there must be one port, or as many as hosts"));
    }
    let one = |index: usize| {
        let mut config = Config::new();
        config.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
        config.channel_binding(all.get_channel_binding()).target_session_attrs(all.get_target_session_attrs());
        config.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
        all.get_user().map(|user| config.user(user));
        all.get_password().map(|password| config.password(password));
        all.get_dbname().map(|name| config.dbname(name));
        all.get_options().map(|options| config.options(options));
        all.get_application_name().map(|name| config.application_name(name));
        all.get_connect_timeout().map(|time| config.connect_timeout(*time));
        all.get_tcp_user_timeout().map(|time| config.tcp_user_timeout(*time));
        all.get_keepalives_interval().map(|time| config.keepalives_interval(time));
        all.get_keepalives_retries().map(|count| config.keepalives_retries(count));
        match hosts.get(index) {
            Some(Host::Tcp(host)) => drop(config.host(host)),
            #[cfg(unix)]
            Some(Host::Unix(path)) => drop(config.host_path(path)),
            None => {}
        }
        addresses.get(index).map(|address| config.hostaddr(*address));
        ports.get(index).or(ports.first()).map(|port| config.port(*port));
        config
    };
    Ok((0..count).map(one).collect())
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

    #[test]
    fn several_hosts_are_tried_one_by_one_and_only_for_one_that_takes_writes() {
        for (address, hosts) in [
            ("one:1,two:2/signet", &[("one", 1), ("two", 2)][..]),
            ("one,two/signet", &[("one", 5432), ("two", 5432)]),
            ("[2001:db8::1]:1,[::1]:2/signet", &[("2001:db8::1", 1), ("::1", 2)]),
            ("one/signet?target_session_attrs=read-write", &[("one", 5432)]),
        ] {
            let and = if address.contains('?') { '&' } else { '?' };
            let target = Target::parse(&format!("postgres://signet:pass@{address}{and}sslmode=disable")).unwrap();
            let expected: Vec<_> =
                hosts.iter().map(|(name, port)| (vec![Host::Tcp((*name).to_owned())], [*port])).collect();
            assert_eq!(target.hosts.len(), expected.len(), "{address}");
            for (found, expected) in target.hosts.iter().zip(&expected) {
                assert_eq!(found.get_hosts(), expected.0, "{address}");
                let ports = found.get_ports();
                assert!(ports == expected.1 || (ports.is_empty() && expected.1 == [5432]), "{address}: {ports:?}");
                assert_eq!(found.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
                assert_eq!((found.get_user(), found.get_password()), (Some("signet"), Some(&b"pass"[..])));
                assert_eq!(found.get_dbname(), Some("signet"));
            }
        }
    }

    #[test]
    fn what_a_url_asks_for_in_vain_is_refused_by_name() {
        for (address, why) in [
            ("one,two/signet?target_session_attrs=prefer-standby", "target_session_attrs=prefer-standby is not"),
            ("one/signet?target_session_attrs=any", "target_session_attrs=any is not"),
            ("one/signet?pooler=statement", "pooler=statement is not transaction"),
            ("one,two,three/signet?port=1,2", "one port, or as many as hosts"),
            ("one,two/signet?hostaddr=127.0.0.1", "as many hostaddr as hosts"),
            ("/signet", "there is no host"),
        ] {
            let and = if address.contains('?') { '&' } else { '?' };
            let refused = Target::parse(&format!("postgres://{address}{and}sslmode=disable")).err().unwrap();
            assert!(refused.to_string().contains(why), "{address}: {refused}");
        }
    }
}
