//! What a configuration may say, tested through [`Config::from_sources`] and the loading of a process.

use std::fs;
use std::path::PathBuf;

use super::*;

mod certificate;
mod master_key;

fn config(variables: &[(&str, &str)], file: &str) -> Result<Config, Faults> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_sources(variables, Some((Path::new("signet.toml"), file)))
}

fn good(variables: &[(&str, &str)], file: &str) -> Config {
    config(variables, file).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The faults as they are printed.
fn faults(variables: &[(&str, &str)], file: &str) -> Vec<String> {
    config(variables, file).expect_err("a fault").to_string().lines().map(str::to_owned).collect()
}

/// What `serve` needs, over plain HTTP on this machine.
const LOCAL: [(&str, &str); 2] = [("SIGNET_ISSUER", "http://localhost:8443"), ("SIGNET_TLS", "off")];

#[test]
fn nothing_given_is_a_valid_configuration_of_defaults() {
    let config = good(&[("PATH", "/bin"), ("SIGNET_SERVICE_HOST", "10.0.0.1")], "");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(config.master_key_file, PathBuf::from("./signet-data/master.key"));
    assert!(matches!(config.database_url, DatabaseUrl::Sqlite(path) if path == Path::new("./signet-data/signet.db")));
    assert_eq!((config.database_pool_size.get(), config.tls, config.log_format), (16, Tls::On, LogFormat::Text));
    assert_eq!(config.password_queue.get(), 64 * config.password_workers.get());
    assert_eq!((config.log.as_str(), config.issuer), ("info", None));
}

#[test]
fn computed_defaults_follow_what_is_given() {
    let config = good(&[("SIGNET_DATA_DIR", "/var/lib/signet"), ("SIGNET_PASSWORD_WORKERS", "3")], "");
    assert_eq!(config.master_key_file, PathBuf::from("/var/lib/signet/master.key"));
    assert!(matches!(config.database_url, DatabaseUrl::Sqlite(path) if path.starts_with("/var/lib/signet")));
    assert_eq!(config.password_queue.get(), 192);
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "listen = \"[::]:1\"\ndatabase_pool_size = 5\nworkers = \"6\"\n";
    let config = good(&[("SIGNET_LISTEN", "0.0.0.0:2")], file);
    assert_eq!(config.listen.to_string(), "0.0.0.0:2");
    assert_eq!((config.database_pool_size.get(), config.workers.get()), (5, 6));
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    let file = path.to_str().unwrap();
    for (content, value) in [("sqlite:a.db\n", "a.db"), ("sqlite:a.db\r\n", "a.db"), ("sqlite:a.db", "a.db")] {
        fs::write(&path, content).unwrap();
        let from_environment = good(&[("SIGNET_DATABASE_URL_FILE", file)], "database_url = 'sqlite:other.db'");
        let from_file = good(&[], &format!("database_url_file = '{file}'"));
        for config in [from_environment, from_file] {
            assert!(
                matches!(config.database_url, DatabaseUrl::Sqlite(path) if path == Path::new(value)),
                "{content:?}"
            );
        }
    }
    fs::write(&path, "sqlite:a.db\n\n").unwrap();
    assert_eq!(faults(&[("SIGNET_DATABASE_URL_FILE", file)], "").len(), 1, "only one newline is taken off");
    fs::write(&path, "\n").unwrap();
    assert!(faults(&[("SIGNET_DATABASE_URL_FILE", file)], "")[0].starts_with("SIGNET_DATABASE_URL_FILE: is empty"));
}

#[test]
fn a_secrets_file_that_cannot_be_read_is_named_with_the_systems_error() {
    let lines = faults(&[("SIGNET_DATABASE_URL_FILE", "/nowhere/url")], "");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("SIGNET_DATABASE_URL_FILE: cannot read /nowhere/url: No such file"), "{}", lines[0]);

    let large = tempfile::NamedTempFile::new().unwrap();
    fs::write(large.path(), vec![b'x'; (1 << 20) + 1]).unwrap();
    let lines = faults(&[("SIGNET_DATABASE_URL_FILE", large.path().to_str().unwrap())], "");
    assert!(lines[0].contains("larger than 1 MiB"), "{}", lines[0]);
}

#[test]
fn a_secret_given_twice_in_one_source_is_refused() {
    let both = [("SIGNET_DATABASE_URL", "sqlite:a"), ("SIGNET_DATABASE_URL_FILE", "b")];
    let expected = "is given together with SIGNET_DATABASE_URL_FILE; expected only one of them";
    assert_eq!(faults(&both, ""), [format!("SIGNET_DATABASE_URL: {expected}")]);
    assert!(faults(&[], "database_url = 'sqlite:a'\ndatabase_url_file = 'b'")[0].contains("is given together with"));
}

#[test]
fn every_fault_is_reported_at_once_with_its_place_and_what_is_expected() {
    let variables = [
        ("SIGNET_DATABASE_POOL_SIZE", "1001"),
        ("SIGNET_ISSUER", "http://auth.example.com"),
        ("SIGNET_LISTNE", "1.2.3.4:5"),
        ("SIGNET_LOG", ""),
        ("SIGNET_TLS", "true"),
    ];
    let file = "listen = 'localhost:8443'\n\nlog-format = 'json'\nworkers = 1.5\n";
    insta::assert_snapshot!(faults(&variables, file).join("\n"), @r"
    SIGNET_LISTNE: there is no such setting; did you mean SIGNET_LISTEN?
    SIGNET_LOG: is empty; expected a log filter such as `info` or `info,signet=debug`, or leave it out
    log-format (line 3 of signet.toml): there is no such setting; did you mean log_format?
    SIGNET_WORKERS (key `workers`, line 4 of signet.toml): is a float; expected a whole number from 1 to 1024
    SIGNET_ISSUER: `http://auth.example.com` uses http for a host that is not loopback; expected an https URL without query, fragment and user name (http only for a loopback host), such as `https://auth.example.com`
    SIGNET_LISTEN (key `listen`, line 1 of signet.toml): `localhost:8443` is not an address to listen on; expected an IP address and a port, such as `127.0.0.1:8443`, `0.0.0.0:8443` or `[::]:8443`
    SIGNET_DATABASE_POOL_SIZE: `1001` is out of range; expected a whole number from 1 to 1000
    SIGNET_TLS: `true` is none of them; expected `on`, `acme` or `off`
    ");
}

#[test]
fn values_out_of_bounds_of_another_type_and_unknown_names_are_refused() {
    for (variable, value) in [
        ("SIGNET_DATABASE_POOL_SIZE", "0"),
        ("SIGNET_DATABASE_POOL_SIZE", "-1"),
        ("SIGNET_WORKERS", "0"),
        ("SIGNET_PASSWORD_QUEUE", "100001"),
        ("SIGNET_PASSWORD_QUEUE", "99999999999999999999999"),
        ("SIGNET_LISTEN", "8443"),
        ("SIGNET_LOG", "signet=loud"),
        ("SIGNET_LOG_FORMAT", "JSON"),
        ("SIGNET_DATA_DIR", "   "),
        ("SIGNET_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("SIGNET_TRUSTED_PROXIES", "10.0.0.1,"),
        ("SIGNET_TRUSTED_PROXIES", "proxy.example.com"),
    ] {
        let lines = faults(&[(variable, value)], "");
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("{variable}: ")), "{value}: {lines:?}");
    }
    for file in ["workers = 0x10", "workers = [1]", "listen = ''", "tls = true", "tls.cert_file = 'c'"] {
        assert_eq!(faults(&[], file).len(), 1, "{file}");
    }
    for name in ["SIGNET_listen", "SIGNET_", "SIGNET_ISSUER_FILE", "SIGNET_TEST_LOG"] {
        assert_eq!(faults(&[(name, "1.2.3.4:5")], "").len(), 1, "{name}");
    }
    assert_eq!(good(&[("SIGNET_PASSWORD_QUEUE", "0")], "").password_queue.get(), 0);
}

#[test]
fn trusted_proxies_are_a_list_of_networks() {
    assert!(good(&[], "").trusted_proxies.as_slice().is_empty());
    let config = good(&[("SIGNET_TRUSTED_PROXIES", "10.0.0.0/8 ,2001:db8::1")], "trusted_proxies = '127.0.0.1'");
    let networks: Vec<_> = config.trusted_proxies.as_slice().iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "2001:db8::1/128"]);
    let slip = faults(&[("SIGNET_TRUSTED_PROXIES", "127.0.0.1, 10.1.0.0/8")], "");
    assert!(slip[0].contains("has `10.1.0.0/8`, which has bits set") && slip[0].contains("is 10.0.0.0/8"), "{slip:?}");
}

#[test]
fn no_message_and_no_debug_output_holds_a_secret() {
    for (variable, value) in [
        ("SIGNET_DATABASE_URL", "mysql://u:sekret@h/d"),
        ("SIGNET_DATABASE_URL", "host=h password=sekret"),
        ("SIGNET_DATABASE_URL", "postgres://u:sek ret@h/d"),
        ("SIGNET_DATABSE_URL", "postgres://u:sekret@h/d"),
        ("SIGNET_LISTEN", "postgres://u:sekret@h/d"),
        ("SIGNET_ISSUER", "https://u:sekret@h"),
        ("SIGNET_MASTER_KEY_FILE", "-----BEGIN PRIVATE KEY-----\nsekret\n"),
    ] {
        let faults = config(&[(variable, value)], "").expect_err(value);
        assert!(!format!("{faults} {faults:?}").contains("sek"), "{faults:?}");
    }
    let faults = config(&[], "database_url = 'postgres://u:sekret@h/d' x").unwrap_err();
    assert!(!format!("{faults} {faults:?}").contains("sekret"), "{faults:?}");

    let config = good(&[("SIGNET_DATABASE_URL", "postgres://u:sekret@h/d")], "");
    assert!(!format!("{config:?} {:?}", config.describe()).contains("sekret"));
}

#[test]
fn a_file_that_is_not_toml_is_one_fault_at_its_line() {
    let lines = faults(&[("SIGNET_TLS_KEY_FILE", "k.pem")], "tls_cert_file = 'c.pem'\nlisten = = 1\n");
    assert_eq!(lines.len(), 1, "what the file would have said of the certificate is unknown: {lines:?}");
    assert!(lines[0].starts_with("signet.toml, line 2: is not TOML: "), "{lines:?}");
}

#[test]
fn each_setting_is_described_with_its_origin() {
    let variables = [("SIGNET_DATABASE_URL", "postgres://u:p@db/signet")];
    let described = good(&variables, "\nlog = \"debug\"").describe();
    let of = |variable: &str| {
        let row = described.iter().find(|row| row.variable == variable).unwrap();
        (row.value.clone(), row.origin.to_string())
    };
    let expect = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(of("SIGNET_DATABASE_URL"), expect("postgres://db/signet", "variable SIGNET_DATABASE_URL"));
    assert_eq!(of("SIGNET_LOG"), expect("debug", "key `log`, line 2 of signet.toml"));
    assert_eq!(of("SIGNET_ISSUER"), expect("(not set)", "default"));
    assert_eq!(of("SIGNET_TLS"), expect("on", "default"));
}

#[test]
fn tls_files_come_in_pairs_and_only_with_tls() {
    let (cert, key) = (("SIGNET_TLS_CERT_FILE", "c.pem"), ("SIGNET_TLS_KEY_FILE", "k.pem"));
    assert!(faults(&[cert], "")[0].starts_with("SIGNET_TLS_CERT_FILE: is given without SIGNET_TLS_KEY_FILE"));
    assert!(faults(&[key], "")[0].starts_with("SIGNET_TLS_KEY_FILE: is given without SIGNET_TLS_CERT_FILE"));
    assert_eq!(faults(&[cert, key], "tls = 'off'").len(), 2);
    assert_eq!(faults(&[cert, key, ("SIGNET_TLS", "maybe")], "").len(), 1);
    good(&[cert, key], "");
}

#[test]
fn serving_needs_an_issuer_and_tls_or_its_absence_said() {
    let missing = good(&[], "").check_for_serve().unwrap_err().to_string();
    for variable in ["SIGNET_ISSUER: is missing", "SIGNET_TLS_CERT_FILE: is missing", "SIGNET_TLS_KEY_FILE: is missing"]
    {
        assert!(missing.contains(variable), "{missing}");
    }
    let local = good(&LOCAL, "");
    let serving = local.check_for_serve().unwrap();
    assert_eq!((serving.issuer.as_str(), serving.tls), ("http://localhost:8443", None));

    let public = good(
        &[("SIGNET_ISSUER", "https://auth.example.com"), ("SIGNET_LISTEN", "0.0.0.0:443")],
        "tls_cert_file = 'c.pem'\ntls_key_file = 'k.pem'",
    );
    let files = TlsFiles { cert: Path::new("c.pem"), key: Path::new("k.pem") };
    assert_eq!(public.check_for_serve().unwrap().tls, Some(CertificateSource::Files(files)));
    good(&[("SIGNET_ISSUER", "https://a.example"), ("SIGNET_TLS", "off"), ("SIGNET_LISTEN", "0.0.0.0:80")], "")
        .check_for_serve()
        .unwrap();
}

#[test]
fn an_http_issuer_is_not_served_over_tls() {
    let encrypted = good(&LOCAL[..1], "tls_cert_file = 'c'\ntls_key_file = 'k'").check_for_serve().unwrap_err();
    assert!(encrypted.to_string().starts_with("SIGNET_ISSUER: is an http URL"), "{encrypted}");
}

#[test]
fn a_process_reads_the_file_it_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let [named, other] = ["named.toml", "other.toml"].map(|name| folder.path().join(name));
    fs::write(&named, "workers = 3").unwrap();
    fs::write(&other, "workers = 4").unwrap();
    let environment = || [(OsString::from("SIGNET_CONFIG"), other.clone().into_os_string())];
    assert_eq!(Config::from_process(environment(), None).unwrap().workers.get(), 4);
    assert_eq!(Config::from_process(environment(), Some(&named)).unwrap().workers.get(), 3);

    let absent = Config::from_process([], Some(&folder.path().join("absent.toml"))).unwrap_err().to_string();
    assert!(absent.starts_with("--config: cannot read ") && absent.contains("absent.toml"), "{absent}");
    let empty = Config::from_process([("SIGNET_CONFIG".into(), OsString::new())], None).unwrap_err().to_string();
    assert!(empty.starts_with("SIGNET_CONFIG: is empty"), "{empty}");
}

#[test]
fn the_real_environment_can_be_read() {
    // Whatever it holds: the point is that reading it comes to an end without a panic.
    let read = Config::load(Some(Path::new("/nowhere/signet.toml"))).unwrap_err();
    assert!(read.iter().any(|fault| matches!(fault, Fault::Unreadable { .. })), "{read}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_a_fault_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
    Config::from_process([(bytes(b"OTHER\xff"), bytes(b"\xff"))], None).unwrap();
    let variables = [(bytes(b"SIGNET_LOG"), bytes(b"\xff")), (bytes(b"SIGNET_\xff"), bytes(b"x"))];
    let faults = Config::from_process(variables, None).unwrap_err().to_string();
    assert!(faults.contains("SIGNET_LOG: is not UTF-8"), "{faults}");
    assert!(faults.contains("there is no such setting"), "{faults}");
}
