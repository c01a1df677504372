//! The settings, each once: from this table come the fields of [`Config`], their parsing, the known names, the listing
//! for the command line and the page in `docs/`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::certificate::{AcmeChallenge, Directory, Domains, SharedKey, Text, Tls};
use super::database_url::DatabaseUrl;
use super::rate::Rate;
use super::source::{Origin, Sources};
use super::value::{Count, LogFilter, LogFormat, MasterKeyText, Networks, OptionalListen, Setting, cores};
use super::{Described, names};
use crate::protocol::issuer::Issuer;

/// A setting as it is described to people.
pub(super) struct Entry {
    pub name: &'static str,
    /// Whether it may be given as the path of a file that holds the value, by the same name with `_file`.
    pub from_file: bool,
    pub expected: fn() -> String,
    pub default: &'static str,
    pub doc: &'static str,
}

impl Entry {
    /// The keys that set it.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let file = self.from_file.then(|| format!("{}_file", self.name));
        [self.name.to_owned()].into_iter().chain(file)
    }
}

/// A row is documentation, `name: kind = "default"`. What follows `=>` computes a default that is no constant from the
/// settings above it; the text then only says what it is.
macro_rules! settings {
    ($( $(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:literal $(=> $computed:expr)?; )+) => {
        /// The configuration of one process.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $doc])+ pub $name: $kind, )+
            origins: BTreeMap<&'static str, Origin>,
        }

        pub(super) const TABLE: &[Entry] = &[$( Entry {
            name: stringify!($name),
            from_file: <$kind as Setting>::FROM_FILE,
            expected: <$kind as Setting>::expected,
            default: $default,
            doc: concat!($($doc),+).trim_ascii(),
        } ),+];

        /// The settings that could be read, before it is known whether all could.
        #[derive(Default)]
        pub(super) struct Draft { $( pub $name: Option<$kind>, )+ }

        impl Draft {
            pub fn read(sources: &mut Sources) -> Self {
                let mut draft = Self::default();
                $(
                    let default = settings!(@default $kind, $default $(, $computed)?);
                    draft.$name = sources.take(stringify!($name), || default(&draft));
                )+
                draft
            }

            /// `None` if a setting could not be read.
            pub fn finish(self, origins: BTreeMap<&'static str, Origin>) -> Option<Config> {
                Some(Config { $( $name: self.$name?, )+ origins })
            }
        }

        impl Config {
            /// Where a setting was given.
            pub(super) fn origin(&self, name: &str) -> Origin {
                self.origins.get(name).cloned().unwrap_or(Origin::Default)
            }

            /// Every setting as it was understood, for `signet doctor`: secrets are hidden.
            pub fn describe(&self) -> Vec<Described> {
                vec![$( Described {
                    variable: names::variable(stringify!($name)),
                    value: self.$name.show(),
                    origin: self.origin(stringify!($name)),
                } ),+]
            }
        }
    };
    (@default $kind:ty, $default:literal) => {
        |_: &Draft| -> Option<$kind> { Some(Setting::parse($default).expect("the table's default is valid")) }
    };
    (@default $kind:ty, $default:literal, $computed:expr) => {{
        let default: fn(&Draft) -> Option<$kind> = $computed;
        default
    }};
}

settings! {
    /// The URL that names this server in every token (`iss`) and in its metadata; endpoints lie below it. Needed by
    /// `signet serve`.
    issuer: Option<Issuer> = "none" => |_| Some(None);

    /// The address and port that the token endpoint and the published documents are served on.
    listen: SocketAddr = "127.0.0.1:8443";

    /// The address and port of the administration API, which speaks TLS as the issuer does; `off` serves none.
    admin_listen: OptionalListen = "127.0.0.1:8444";

    /// The folder for what the server keeps on disk: the embedded database and the master key.
    data_dir: PathBuf = "./signet-data";

    /// The database. Without it, an SQLite file in the data folder, for one instance.
    database_url: DatabaseUrl = "sqlite:<data_dir>/signet.db"
        => |draft| Some(DatabaseUrl::Sqlite(draft.data_dir.as_ref()?.join("signet.db")));

    /// How many connections to the database are open at most.
    database_pool_size: Count<1, 1000> = "16";

    /// How many seconds `signet serve` waits at its start for a database that cannot be reached yet; 0 ends at once. A
    /// server that refuses the user, or has no such database, is not waited for.
    database_wait: Count<0, 3600> = "30";

    /// The master key itself, which seals the signing keys and other secrets in the database: for where there is no
    /// file. Other programs of the same user can read a variable.
    master_key: Option<MasterKeyText> = "none" => |_| Some(None);

    /// The file with the master key. Without it, the systemd credential `signet-master-key` if there is one.
    master_key_file: PathBuf = "<data_dir>/master.key"
        => |draft| Some(draft.data_dir.as_ref()?.join("master.key"));

    /// Whether to serve TLS: `on` with the certificate in `tls_cert_file`, `acme` with one that signet orders from a
    /// certificate authority and renews (`acme_…`). `off` is for a proxy on the same host or a private network that ends TLS
    /// itself.
    tls: Tls = "on";

    /// The certificate chain (PEM, the server's own certificate first). Needed by `signet serve` where `tls` is `on`. Both
    /// files are read again when they change, and on SIGHUP.
    tls_cert_file: Option<PathBuf> = "none" => |_| Some(None);

    /// The certificate's private key (PEM). Needed with `tls_cert_file`.
    tls_key_file: Option<PathBuf> = "none" => |_| Some(None);

    /// Where `tls` is `acme`: the domains of the certificate.
    acme_domains: Domains = "the host of `issuer`" => |_| Some(Domains::default());

    /// The certificate authority, by the URL of its ACME directory. Who has signet order there has agreed to its terms.
    acme_directory: Directory = "https://acme-v02.api.letsencrypt.org/directory";

    /// How the authority checks a domain: `tls-alpn-01` by a TLS handshake at its port 443, which must lead to `listen`;
    /// `http-01` by plain HTTP at its port 80, which must lead to `redirect_listen`.
    acme_challenge: AcmeChallenge = "tls-alpn-01";

    /// The e-mail address at which the authority may reach whoever runs this server.
    acme_contact: Option<Text> = "none" => |_| Some(None);

    /// The certificate (PEM) of the authority by which the directory's own TLS is checked, where the machine does not know
    /// it: for an authority of one's own.
    acme_root_file: Option<PathBuf> = "none" => |_| Some(None);

    /// The identifier of an account that the authority already has (external account binding). Needed by some authorities.
    acme_eab_key_id: Option<Text> = "none" => |_| Some(None);

    /// The key of that account. Needed with `acme_eab_key_id`.
    acme_eab_hmac_key: Option<SharedKey> = "none" => |_| Some(None);

    /// An address and port for plain HTTP, where browsers are redirected to the issuer and nothing else is answered; `off`
    /// serves none.
    redirect_listen: OptionalListen = "off";

    /// The proxies in front of the server, whose `Forwarded` or `X-Forwarded-For` is believed; a proxy must append to the
    /// header, or replace it. Anybody who is not in this list speaks for their own address alone.
    trusted_proxies: Networks = "none" => |_| Some(Networks::default());

    /// What is logged to standard error, as `tracing` filter directives. Of libraries, nothing finer than `info` is.
    log: LogFilter = "info";

    /// How log lines are written: `text` for people, `json` for collectors.
    log_format: LogFormat = "text";

    /// How many threads serve HTTP.
    workers: Count<1, 1024> = "one for each core" => |_| Some(Count::nearest(cores()));

    /// How many connections there are at most. A new one beyond that takes the place of the one that has been quiet for
    /// longest; where all are busy it is closed. Each takes a file descriptor.
    max_connections: Count<1, 1_000_000> = "20000";

    /// How many of them one address has at most (of IPv6: one /64); more are closed at once. Trusted proxies have no such
    /// bound, and 0 is none for anybody.
    max_connections_per_address: Count<0, 1_000_000> = "half of max_connections"
        => |draft| Some(Count::nearest(draft.max_connections?.get().div_ceil(2)));

    /// How many requests to the OAuth endpoints are answered at a time before more are answered 503. A login that waits for
    /// a password worker is one of them, so this should be well above `password_queue`.
    max_in_flight: Count<1, 1_000_000> = "1024 for each thread that serves HTTP"
        => |draft| Some(Count::nearest(1024 * draft.workers?.get()));

    /// How many requests may wait for a connection to the database before more are answered 503; 0 lets none wait.
    database_queue: Count<0, 100_000> = "64 for each connection to the database"
        => |draft| Some(Count::nearest(64 * draft.database_pool_size?.get()));

    /// How many requests for tokens, for revocation or for another password an address (of IPv6: one /64) may make in a
    /// second, and at once after a pause, before it is answered 429. Trusted proxies themselves are not counted. Each
    /// instance counts for itself.
    token_rate: Rate = "1000/2000";

    /// The same for introspection, where one address may well be that of many APIs.
    introspection_rate: Rate = "5000/10000";

    /// How many passwords are hashed at a time; each takes 19 MiB and one core.
    password_workers: Count<1, 1024> = "one for each core" => |_| Some(Count::nearest(cores()));

    /// How many logins may wait for a password worker before more are answered 503. A hash takes about 16 ms, so the
    /// default is a wait of about a second; 0 lets none wait.
    password_queue: Count<0, 100_000> = "64 for each password worker"
        => |draft| Some(Count::nearest(64 * draft.password_workers?.get()));

    /// How many seconds requests are still taken after SIGTERM, while `/readyz` answers 503, so that load balancers look
    /// elsewhere first. Ctrl-C skips it; a second signal ends the process at once.
    shutdown_delay: Count<0, 300> = "5";

    /// The file that says by which token or client `signet --server` works at another machine.
    profile: Option<PathBuf> = "none" => |_| Some(None);

    /// A folder with the range files of Pwned Passwords: a new password that is in them is refused. The files are named
    /// by the first five digits of a SHA-1 (`5BAA6` or `5BAA6.txt`), each line has the other 35, a colon and a count.
    breached_passwords_dir: Option<PathBuf> = "none" => |_| Some(None);
}
