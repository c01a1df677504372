//! The names that settings are known by: `SIGNET_LISTEN` in the environment, `listen` in the file; for a secret also
//! the same with `_FILE` or `_file`, the path of a file that holds it.

use super::settings::{Entry, TABLE};

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "SIGNET_";

/// The path of the configuration file: known like a setting, but in the environment only.
pub(super) const CONFIG: &str = "SIGNET_CONFIG";

/// Where systemd puts the credentials of a unit (systemd.exec(5)).
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The credential that is the master key file.
pub(super) const MASTER_KEY_CREDENTIAL: &str = "signet-master-key";

/// The environment's name for the file's `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase())
}

/// The file's name for the environment's `variable`, if that is one of ours.
pub(super) fn key(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?;
    // One notation only: `SIGNET_listen` is another variable to the operating system.
    (!name.chars().any(|c| c.is_ascii_lowercase())).then(|| name.to_ascii_lowercase())
}

/// The setting that `key` gives, and what is expected there.
pub(super) fn find(key: &str) -> Option<String> {
    TABLE.iter().find_map(|entry| match key.strip_prefix(entry.name)? {
        "" => Some((entry.expected)()),
        "_file" if entry.from_file => Some("the path of a file that holds the value".to_owned()),
        _ => None,
    })
}

/// The known key that `unknown` was most likely meant to be: a few slips of the keyboard away, or one that begins so.
pub(super) fn nearest(unknown: &str) -> Option<String> {
    let unknown = unknown.to_ascii_lowercase().replace('-', "_");
    let unknown = unknown.strip_prefix("signet_").unwrap_or(&unknown);
    let keys = TABLE.iter().flat_map(Entry::keys);
    let (distance, key) = keys.map(|key| (strsim::damerau_levenshtein(unknown, &key), key)).min()?;
    if distance <= key.len().div_ceil(4) {
        return Some(key);
    }
    TABLE.iter().flat_map(Entry::keys).find(|key| unknown.len() >= 3 && key.starts_with(unknown))
}

/// Whether Kubernetes put this variable into the container: it does so for every Service of the namespace, so a Service
/// called `signet` makes `SIGNET_SERVICE_HOST`, `SIGNET_PORT=tcp://…`, `SIGNET_PORT_8443_TCP_ADDR` and their like, and
/// one called `signet-admin` the same after `SIGNET_ADMIN_`.
pub(super) fn is_service_link(variable: &str, value: &str) -> bool {
    let Some(name) = variable.strip_prefix(PREFIX) else { return false };
    let name = format!("_{name}");
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let protocol = |text: &str| matches!(text, "TCP" | "UDP" | "SCTP");
    if name.ends_with("_SERVICE_HOST") {
        return true;
    }
    if let Some((_, rest)) = name.split_once("_SERVICE_PORT") {
        return is_port(value) && (rest.is_empty() || rest.starts_with('_'));
    }
    match name.split_once("_PORT") {
        Some((_, "")) => value.contains("://"),
        Some((_, rest)) => {
            let mut parts = rest.split('_').skip(1);
            parts.next().is_some_and(is_port)
                && parts.next().is_some_and(protocol)
                && matches!(parts.next(), None | Some("PROTO" | "PORT" | "ADDR"))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_finds_its_setting() {
        for (slip, key) in [
            ("listne", "listen"),
            ("LISTEN", "listen"),
            ("isuer", "issuer"),
            ("database-url", "database_url"),
            ("databse_url_file", "database_url_file"),
            ("signet_log_format", "log_format"),
            ("tls_cert", "tls_cert_file"),
            ("master_key_flie", "master_key_file"),
            ("masterkey", "master_key"),
        ] {
            assert_eq!(nearest(slip).as_deref(), Some(key), "{slip}");
        }
        for far in ["colour", "x", "t", "smtp_password"] {
            assert_eq!(nearest(far), None, "{far}");
        }
    }

    #[test]
    fn only_a_secret_may_come_from_a_file() {
        assert!(find("database_url_file").is_some());
        assert!(find("issuer_file").is_none());
        assert!(find("issuer").is_some());
    }

    #[test]
    fn what_kubernetes_adds_for_a_service_is_told_from_a_mistake() {
        for (variable, value) in [
            ("SIGNET_SERVICE_HOST", "10.0.0.1"),
            ("SIGNET_SERVICE_PORT", "8443"),
            ("SIGNET_SERVICE_PORT_HTTPS", "8443"),
            ("SIGNET_PORT", "tcp://10.0.0.1:8443"),
            ("SIGNET_PORT_8443_TCP", "tcp://10.0.0.1:8443"),
            ("SIGNET_PORT_8443_TCP_ADDR", "10.0.0.1"),
            ("SIGNET_ADMIN_SERVICE_HOST", "10.0.0.2"),
            ("SIGNET_ADMIN_PORT_9443_TCP_PROTO", "tcp"),
        ] {
            assert!(is_service_link(variable, value), "{variable}");
        }
        for (variable, value) in [
            ("SIGNET_PORT", "8443"),
            ("SIGNET_SERVICE_PORT", "https"),
            ("SIGNET_PORT_HTTPS", "8443"),
            ("SIGNET_PORT_8443_TCP_NAME", "x"),
            ("SIGNET_HOST", "10.0.0.1"),
            ("SIGNET_LISTEN", "tcp://10.0.0.1:8443"),
        ] {
            assert!(!is_service_link(variable, value), "{variable}");
        }
    }
}
