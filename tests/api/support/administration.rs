//! The administration API of an issuer under test, and an administrator who asks it.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::Value;
use signet::admin::bootstrap::audience;
use signet::admin::clients::NewClient;
use signet::http;
use signet::protocol::client::GrantType;

use super::app::{Answer, App, limits, serve_here};

/// An administrator with the token of a client of its own.
pub struct Administration {
    http: reqwest::Client,
    pub base: String,
    pub token: String,
    pub client_secret: String,
}

impl Administration {
    /// Serves the API and registers the client `signet-admin`.
    pub async fn of(app: &App) -> Self {
        let done = app.admin().bootstrap(&app.provider.issuer, "signet-admin").await.unwrap();
        app.synchronise().await;
        let client_secret = done.client_secret.unwrap().expose().to_owned();
        let token = app.token_of("signet-admin", &client_secret).await;
        Self { http: app.http.clone(), base: serve(app), token, client_secret }
    }

    /// The same API, served beside another instance.
    pub fn at(&self, app: &App) -> Self {
        Self { base: serve(app), ..self.with_token(&self.token) }
    }

    /// The same API for somebody else.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            http: self.http.clone(),
            base: self.base.clone(),
            token: token.to_owned(),
            client_secret: self.client_secret.clone(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }
}

fn serve(app: &App) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    serve_here(http::listen_for_administrators(&app.provider, listener, None, limits(&[])).unwrap())
}

impl App {
    /// A token that the client takes for itself.
    pub async fn token_of(&self, client_id: &str, secret: &str) -> String {
        let form = [("grant_type", "client_credentials")];
        self.post_as("/oauth2/token", (client_id, secret), &form).await.tokens().access_token
    }

    /// A token for the administration API with this scope alone.
    pub async fn administrator(&self, scope: &str) -> String {
        let client_id = format!("admin-{}", scope.replace([':', ' '], "-"));
        let audience = audience(&self.provider.issuer);
        let new = NewClient::new(client_id.as_str(), &[GrantType::ClientCredentials], &[&audience]);
        let new = NewClient { scope: Some(scope.parse().unwrap()), ..new };
        let done = self.admin().create_client(new).await.unwrap();
        self.synchronise().await;
        self.token_of(&client_id, done.client_secret.unwrap().expose()).await
    }
}

impl Answer {
    /// Asserts a refusal in the form of RFC 9457.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status.into())));
        assert_eq!(self.header("www-authenticate").starts_with("Bearer "), matches!(status, 401 | 403));
        assert_eq!(self.headers.contains_key("retry-after"), status == 503);
        problem
    }

    #[track_caller]
    pub fn done(&self) -> Value {
        assert!(matches!(self.status, 200 | 201), "{}: {}", self.status, self.text);
        self.json()
    }
}
