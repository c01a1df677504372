//! GET with bounds: no redirects, no plaintext beyond this machine, so many bytes, so much time (RFC 9110, RFC 9111).

use std::time::Duration;

use reqwest::header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH};
use reqwest::{Response, StatusCode, Url, redirect};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Why something could not be fetched from the issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The attempt ended without a result: its runtime was shut down.
    #[error("the attempt was aborted")]
    Aborted,
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// A plain `http` address that is not on this machine, or no `http` address at all.
    #[error("{0} is not an https address")]
    Insecure(String),
    /// Not followed: only what was configured is asked.
    #[error("the issuer answered with a redirect")]
    Redirect,
    /// Another status than 200.
    #[error("the issuer answered {0}")]
    Status(u16),
    /// It took too long.
    #[error("the issuer did not answer in time")]
    Timeout,
    /// Cut off there.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// It came, and is not what it should be.
    #[error("the answer is not usable: {0}")]
    Unusable(String),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        // The innermost cause says what happened; the outer ones only that something did.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Connection(cause.to_string())
    }
}

/// What a conditional request brought.
pub(super) enum Fetched {
    Unchanged { max_age: Option<Duration> },
    Document { body: Vec<u8>, etag: Option<String>, max_age: Option<Duration> },
}

/// A request.
pub(super) struct Get<'a> {
    pub(super) url: &'a Url,
    pub(super) accept: &'static str,
    pub(super) etag: Option<&'a str>,
    /// Caches on the way are passed by.
    pub(super) past_caches: bool,
    /// The most bytes of the answer.
    pub(super) limit: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    timeout: Duration,
}

impl Http {
    /// `roots` are trusted beside those of the machine. Where TLS cannot be needed, the machine need have none.
    pub(super) fn new(
        timeout: Duration,
        roots: Vec<CertificateDer<'static>>,
        needs_tls: bool,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let provider = std::sync::Arc::new(default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let tls = if needs_tls {
            let verifier = Verifier::new_with_extra_roots(roots, provider)?;
            config.dangerous().with_custom_certificate_verifier(std::sync::Arc::new(verifier)).with_no_client_auth()
        } else {
            config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(timeout)
            .user_agent(concat!("signet-verifier/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, timeout })
    }

    pub(super) async fn get(&self, get: &Get<'_>) -> Result<Fetched, FetchError> {
        require_security(get.url)?;
        let mut request = self.client.get(get.url.clone()).header(ACCEPT, get.accept).timeout(self.timeout);
        if let Some(etag) = get.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if get.past_caches {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        let mut response = request.send().await?;
        let max_age = max_age(response.headers());
        if response.status() == StatusCode::NOT_MODIFIED && get.etag.is_some() {
            return Ok(Fetched::Unchanged { max_age });
        }
        require_ok(&response)?;
        if response.content_length().is_some_and(|length| length > get.limit as u64) {
            return Err(FetchError::TooLarge(get.limit));
        }
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > get.limit {
                return Err(FetchError::TooLarge(get.limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched::Document { body, etag, max_age })
    }

    /// Opens a stream of server-sent events. Only its beginning must come in time.
    pub(super) async fn events(&self, url: &Url, last_event_id: Option<&str>) -> Result<Response, FetchError> {
        require_security(url)?;
        let mut request = self.client.get(url.clone()).header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header(HeaderName::from_static("last-event-id"), id);
        }
        let response = tokio::time::timeout(self.timeout, request.send()).await.map_err(|_| FetchError::Timeout)??;
        require_ok(&response)?;
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.starts_with("text/event-stream") {
            return Err(FetchError::Unusable("it is no stream of events".into()));
        }
        Ok(response)
    }
}

fn require_ok(response: &Response) -> Result<(), FetchError> {
    match response.status() {
        StatusCode::OK => Ok(()),
        status if status.is_redirection() => Err(FetchError::Redirect),
        status => Err(FetchError::Status(status.as_u16())),
    }
}

/// Plain `http` is for this machine only: anybody on the way could put keys of his own into the answer.
pub(super) fn require_security(url: &Url) -> Result<(), FetchError> {
    let is_loopback = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback => Ok(()),
        _ => Err(FetchError::Insecure(url.to_string())),
    }
}

/// How long the answer is fresh, from now (RFC 9111 §4.2). `None` if it does not say.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut seconds = None;
    for value in headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        for directive in value.split(',').map(str::trim) {
            if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") {
                return Some(Duration::ZERO);
            }
            if let Some((name, value)) = directive.split_once('=')
                && name.eq_ignore_ascii_case("max-age")
            {
                seconds = seconds.or(value.trim_matches('"').parse::<u64>().ok());
            }
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok()).unwrap_or(0);
    seconds.map(|seconds| Duration::from_secs(seconds.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for secure in
            ["https://a.example", "http://127.0.0.1:80/x", "http://127.9.9.9", "http://[::1]:1", "http://localhost"]
        {
            assert_eq!(require_security(&secure.parse().unwrap()), Ok(()), "{secure}");
        }
        for insecure in [
            "http://a.example",
            "http://127.0.0.1.a.example",
            "http://localhost.a.example",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
        ] {
            assert!(matches!(require_security(&insecure.parse().unwrap()), Err(FetchError::Insecure(_))), "{insecure}");
        }
    }

    #[test]
    fn freshness_is_max_age_less_age() {
        let fresh = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(fresh(&[]), None);
        assert_eq!(fresh(&[("cache-control", "public, Max-Age=300")]), Some(300));
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("age", "100")]), Some(200));
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("age", "400")]), Some(0));
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("cache-control", "no-cache")]), Some(0));
        assert_eq!(fresh(&[("cache-control", "s-maxage=5, max-age=x")]), None);
    }
}
