//! Where the certificate comes from, and what plain HTTP is for.

use super::super::*;
use super::{LOCAL, faults, good};

#[test]
fn a_certificate_is_ordered_for_the_host_of_the_issuer_or_for_given_domains() {
    let issuer = ("SIGNET_ISSUER", "https://auth.example.com:8443/tenant");
    let acme = ("SIGNET_TLS", "acme");
    let domains = |config: &Config| match config.check_for_serve().unwrap().tls {
        Some(CertificateSource::Ordered { domains }) => domains,
        other => panic!("{other:?}"),
    };
    assert_eq!(domains(&good(&[issuer, acme], "")), ["auth.example.com"]);
    let given = good(&[issuer, acme], "acme_domains = 'Login.example.com, auth.example.com,login.example.com'");
    assert_eq!(domains(&given), ["auth.example.com", "login.example.com"]);

    let refused = |variables: &[(&str, &str)]| good(variables, "").check_for_serve().unwrap_err().to_string();
    for host in ["https://10.0.0.1", "https://[2001:db8::1]:8443", "https://localhost"] {
        let missing = refused(&[("SIGNET_ISSUER", host), acme]);
        assert!(missing.starts_with("SIGNET_ACME_DOMAINS: is missing"), "{host}: {missing}");
    }
    let port_80 = refused(&[issuer, acme, ("SIGNET_ACME_CHALLENGE", "http-01")]);
    assert!(port_80.starts_with("SIGNET_REDIRECT_LISTEN: is missing"), "{port_80}");
    let half = refused(&[issuer, acme, ("SIGNET_ACME_EAB_KEY_ID", "kid")]);
    assert!(half.starts_with("SIGNET_ACME_EAB_KEY_ID: is given without its other half"), "{half}");
    let wildcard = faults(&[("SIGNET_ACME_DOMAINS", "*.example.com")], "");
    assert!(wildcard[0].contains("has the wildcard `*.example.com`"), "{wildcard:?}");
    for domain in ["a..b", "-a.example", "example", "1.2.3.4", "a_b.example", "a.example,", "http://a.example"] {
        assert_eq!(faults(&[("SIGNET_ACME_DOMAINS", domain)], "").len(), 1, "{domain}");
    }
    assert_eq!(faults(&[("SIGNET_ACME_DIRECTORY", "http://ca.example/dir")], "").len(), 1);
}

#[test]
fn plain_http_redirects_to_an_https_issuer_only() {
    let redirect = ("SIGNET_REDIRECT_LISTEN", "0.0.0.0:80");
    let refused = good(&[LOCAL[0], redirect, ("SIGNET_TLS", "off")], "").check_for_serve().unwrap_err().to_string();
    assert!(refused.starts_with("SIGNET_REDIRECT_LISTEN: is given while SIGNET_ISSUER is an http URL"), "{refused}");
    let behind_proxy = [("SIGNET_ISSUER", "https://a.example"), redirect, ("SIGNET_TLS", "off")];
    good(&behind_proxy, "").check_for_serve().unwrap();
}
