//! A server's administration API, as the command line asks it.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::failure::Failure;
use super::profile::{Credentials, Profile};
use crate::admin::operation::{Body as _, Operation, PathParameter as _, Verb};
use crate::protocol::percent;
use crate::secret::Secret;

/// Removing what has ended may take long; everything else is answered at once.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Remote {
    http: Client,
    base: String,
    token: tokio::sync::OnceCell<Secret>,
    credentials: Credentials,
}

/// What the server says when it does not do something (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

/// What a token endpoint answers (RFC 6749 §5.1, §5.2).
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default, with = "crate::secret::exposed::option")]
    access_token: Option<Secret>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Remote {
    /// # Errors
    /// When the profile cannot be used. The server is not asked yet.
    pub fn open(server: Option<&str>, profile: Option<&Path>) -> Result<Self, Failure> {
        let path = profile.ok_or_else(|| {
            Failure::Usage(
                "--server needs a profile that says by which token or client: name it with --profile or SIGNET_PROFILE; \
                 `signet admin bootstrap` makes one"
                    .to_owned(),
            )
        })?;
        let profile = Profile::read(path)?;
        let server = server.map(str::to_owned).or_else(|| profile.server.clone()).ok_or_else(|| {
            Failure::Usage("no server is named: give --server, or `server` in the profile".to_owned())
        })?;
        let base = address(&server)?;
        let mut http = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &profile.ca_file {
            let unusable = |error: String| Failure::Unusable(format!("{}: {error}", file.display()));
            let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
            http = http.tls_certs_merge(certificates);
        }
        let http = http.build().map_err(|error| Failure::Unusable(error.to_string()))?;
        Ok(Self { http, base, token: tokio::sync::OnceCell::new(), credentials: profile.credentials()? })
    }

    pub async fn ask<O: Operation>(
        &self,
        path: &O::Path,
        query: &O::Query,
        body: &O::Body,
    ) -> Result<O::Answer, Failure> {
        let query = serde_urlencoded::to_string(query).map_err(|error| Failure::Usage(error.to_string()))?;
        let mut url = format!("{}/admin/v1{}", self.base, filled(O::PATH, &path.segment()));
        if !query.is_empty() {
            url = format!("{url}?{query}");
        }
        let request = match O::VERB {
            Verb::Get => self.http.get(url),
            Verb::Post => self.http.post(url),
            Verb::Patch => self.http.patch(url),
            Verb::Delete => self.http.delete(url),
        };
        let request = if O::Body::EXPECTED { request.json(body) } else { request };
        let token = self.token.get_or_try_init(|| self.new_token()).await?;
        let answer = self.send(request.bearer_auth(token.expose())).await?;
        let status = answer.status();
        if status.is_success() {
            let unreadable =
                |error| Failure::Unusable(format!("{} answered what is not understood: {error}", self.base));
            return answer.json().await.map_err(unreadable);
        }
        let problem = answer.json::<Problem>().await.ok();
        Err(refusal(status, problem))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Failure::Unusable(format!(
                "{} does not answer: {}{cause}: see that it runs, and that `ca_file` in the profile is right",
                self.base,
                error.without_url()
            ))
        })
    }

    async fn new_token(&self) -> Result<Secret, Failure> {
        let (endpoint, id, secret) = match &self.credentials {
            Credentials::Token(token) => return Ok(token.clone()),
            Credentials::Client { token_endpoint, client_id, client_secret } => {
                (address(token_endpoint)?, client_id, client_secret)
            }
        };
        // RFC 6749 §2.3.1: both halves are form-encoded first.
        let request = self.http.post(&endpoint).basic_auth(percent::encode(id), Some(percent::encode(secret.expose())));
        let answer = self.send(request.form(&[("grant_type", "client_credentials")])).await?;
        let answer = answer.json::<TokenAnswer>().await.map_err(|error| {
            Failure::Unusable(format!("{endpoint} does not answer as a token endpoint: {}", error.without_url()))
        })?;
        answer.access_token.ok_or_else(|| {
            Failure::Unusable(format!("{endpoint} gave no token: {}: {}", answer.error, answer.error_description))
        })
    }
}

/// An address that a secret may be sent to: by TLS, or on this machine.
fn address(text: &str) -> Result<String, Failure> {
    let url = url::Url::parse(text).map_err(|error| Failure::Usage(format!("{text}: {error}")))?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || url.scheme() == "http" && is_local {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(Failure::Usage(format!("{text}: only https is secret enough for a token")))
    }
}

/// A path with its parameter in place.
fn filled(path: &str, segment: &str) -> String {
    match (path.find('{'), path.find('}')) {
        (Some(start), Some(end)) => format!("{}{}{}", &path[..start], percent::encode(segment), &path[end + 1..]),
        _ => path.to_owned(),
    }
}

fn refusal(status: StatusCode, problem: Option<Problem>) -> Failure {
    let Some(Problem { code, title, detail }) = problem else {
        return Failure::Unusable(format!("the server answered {status}"));
    };
    let description = if detail.is_empty() { title } else { detail };
    let advice = match status {
        StatusCode::UNAUTHORIZED => ": see that the token or client of the profile is still valid",
        StatusCode::FORBIDDEN => ": the token or client of the profile may not do this",
        _ => "",
    };
    Failure::Remote { code, description: format!("{description}{advice}"), misuse: status == StatusCode::BAD_REQUEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_path_is_one_segment() {
        assert_eq!(
            filled("/resource-servers/{audience}/secrets", "https://api.example/a"),
            "/resource-servers/https%3A%2F%2Fapi.example%2Fa/secrets"
        );
        assert_eq!(filled("/clients", ""), "/clients");
    }

    #[test]
    fn a_token_goes_nowhere_in_clear() {
        assert!(address("http://auth.example.com").is_err());
        assert!(address("auth.example.com").is_err());
        assert_eq!(address("https://auth.example.com:8444/").unwrap(), "https://auth.example.com:8444");
        assert_eq!(address("http://127.0.0.1:8444").unwrap(), "http://127.0.0.1:8444");
    }
}
