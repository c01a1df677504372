//! What tests do to an issuer: as its administrator, and through the front door.

use serde_json::Value;
use signet::admin::clients::NewClient;
use signet::admin::resource_servers::NewResourceServer;
use signet::admin::users::NewUser;
use signet::protocol::client::{AuthMethod, GrantType};
use signet::protocol::jwk::Algorithm;
use signet::secret::Secret;
use signet::store::audit_events::AuditEvent;

use super::{API, Answer, App, PASSWORD, Tokens};
use crate::support::sql;

impl App {
    pub async fn api(&self, audience: &str, scope: &str, signing_algorithm: Algorithm) -> String {
        let new = NewResourceServer {
            audience: audience.to_owned(),
            scope: scope.parse().unwrap(),
            access_token_lifetime: None,
            signing_algorithm,
        };
        let done = self.admin().create_resource_server(new).await.unwrap();
        self.synchronise().await;
        done.client_secret.unwrap().expose().to_owned()
    }

    /// Makes a client with every scope of its audiences; answers its secret.
    pub async fn client(
        &self,
        client_id: &str,
        audiences: &[&str],
        grant_types: &[GrantType],
        method: Option<AuthMethod>,
    ) -> Option<String> {
        let new = NewClient::new(client_id, grant_types, audiences);
        let new = NewClient { token_endpoint_auth_method: method, ..new };
        let done = self.admin().create_client(new).await.unwrap();
        self.synchronise().await;
        done.client_secret.map(|secret| secret.expose().to_owned())
    }

    pub async fn user(&self, username: &str) {
        let new = NewUser { username: username.to_owned(), email: None, password: Secret::new(PASSWORD) };
        self.admin().create_user(new).await.unwrap();
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(chrono::Duration::seconds(seconds));
    }

    /// A form to an endpoint, as the client `erp` by Basic.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_as(path, ("erp", &self.secret), form).await
    }

    pub async fn post_as(&self, path: &str, (id, secret): (&str, &str), form: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).basic_auth(encode(id), Some(encode(secret)));
        Answer::of(request.form(form)).await
    }

    /// A form without an `Authorization` header.
    pub async fn post_bare(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(format!("{}{path}", self.base)).form(form)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.base))).await
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/oauth2/token", form).await
    }

    /// Logs alice in at the client `erp`.
    pub async fn log_in(&self) -> Tokens {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        self.token(&form).await.tokens()
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// What the API learns about a token.
    pub async fn introspect(&self, token: &str) -> Value {
        let answer = self.post_as("/oauth2/introspect", (API, &self.api_secret), &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub async fn introspect_as_client(&self, token: &str) -> Value {
        self.post("/oauth2/introspect", &[("token", token)]).await.json()
    }

    /// Does to the database what no part of the program does.
    pub async fn sql(&self, statement: &str) {
        sql::execute(&self.config.database_url, statement).await.unwrap();
    }

    /// What happened last, but for logins.
    pub async fn newest_event(&self) -> AuditEvent {
        self.events(|action| !action.starts_with("login.")).await.remove(0)
    }

    /// What is recorded of such actions, the newest first.
    pub async fn events(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<AuditEvent> {
        let mut connection = self.provider.store.reading().await.unwrap();
        let all = signet::store::audit_events::newest(&mut connection, 10_000).await.unwrap();
        all.into_iter().filter(|event| is_wanted(&event.action)).collect()
    }

    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await["active"].as_bool().unwrap()
    }
}

/// Form-encodes one half of Basic credentials (RFC 6749 §2.3.1).
fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
