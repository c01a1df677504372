//! A day in the life of an issuer: administration, logins right and wrong, refreshes, replays, introspection, revocation,
//! and clients that put secrets where none belong. It gathers every secret that was used and every text that came back.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use serde_json::Value;
use signet::keys::{master::MasterKeyRing, seal};
use signet::store::{Database, Store, sealed_secrets, signing_keys};

use super::app::{API, Answer};
use super::disclosure::Secrets;
use super::recorded::{Program, Serving};

pub const FIRST_PASSWORD: &str = "copper meadow 93 whistle";
pub const PASSWORD: &str = "indigo ladder 58 pelican";
const WRONG_PASSWORD: &str = "indigo ladder 59 pelican";
const WEAK_PASSWORD: &str = "bertbertbertbertbert";
/// What a receiver of security events knows the issuer by.
const RECEIVER: &str = "Bearer walnut-trumpet-27-glacier";
const WRONG_SECRET: &str = "sgs_not-the-secret-of-any-client-at-all";

/// A text and where it came from. What a command shows by design, once, is not looked for in it.
pub struct Said {
    pub place: String,
    pub text: String,
    pub shown: Vec<String>,
}

pub struct Usage<'a> {
    program: &'a Program,
    pub serving: Serving,
    http: reqwest::Client,
    pub secrets: Secrets,
    pub said: Vec<Said>,
    /// One for each request by HTTP client.
    pub request_ids: Vec<String>,
    pub client_secret: String,
    api_secret: String,
}

impl<'a> Usage<'a> {
    pub async fn of(program: &'a Program) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (secrets, said, request_ids) = (Secrets::default(), Vec::new(), Vec::new());
        let (client_secret, api_secret) = (String::new(), String::new());
        let serving = program.serve();
        let mut usage = Self { program, serving, http, secrets, said, request_ids, client_secret, api_secret };
        usage.administrate();
        usage.log_in_and_out().await;
        usage.misplace_secrets().await;
        usage.send_noise();
        usage.gather_keys().await;
        usage
    }

    /// Runs a command, and answers the secret that it shows.
    fn command(&mut self, input: &str, arguments: &[&str]) -> Option<String> {
        let outcome = self.program.run(input, arguments);
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        let secret = document["client_secret"].as_str().map(str::to_owned);
        if let Some(secret) = &secret {
            self.secrets.add(format!("secret of {arguments:?}"), secret);
        }
        let place = |stream| format!("{stream} of {arguments:?}");
        let shown = secret.clone().into_iter().collect();
        self.said.push(Said { place: place("standard output"), text: outcome.stdout, shown });
        self.said.push(Said { place: place("standard error"), text: outcome.stderr, shown: vec![] });
        secret
    }

    fn administrate(&mut self) {
        for (what, password) in [
            ("first password", FIRST_PASSWORD),
            ("password", PASSWORD),
            ("wrong password", WRONG_PASSWORD),
            ("weak password", WEAK_PASSWORD),
            ("wrong secret", WRONG_SECRET),
            ("authorization", RECEIVER),
            ("credentials of the authorization", &RECEIVER["Bearer ".len()..]),
        ] {
            self.secrets.add(what, password);
        }
        // Nobody listens there: each event is tried, and what keeps it is written down.
        let webhook = ["webhook", "create", "siem", "--endpoint", "http://127.0.0.1:9/events", "--authorization-stdin"];
        self.command(&format!("{RECEIVER}\n"), &webhook);
        self.command("", &["webhook", "test", "siem"]);
        self.command("", &["resource-server", "create", API, "--scope", "read write", "--json"]);
        let grants =
            ["--grant-type", "password", "--grant-type", "refresh_token", "--grant-type", "client_credentials"];
        let create = [&["client", "create", "erp", "--audience", API, "--json"], &grants[..]].concat();
        self.command("", &create).expect("a secret");
        self.command(FIRST_PASSWORD, &["user", "create", "alice", "--email", "alice@example.com", "--password-stdin"]);
        self.command(PASSWORD, &["user", "set-password", "alice", "--password-stdin"]);
        self.command(WEAK_PASSWORD, &["user", "create", "bert", "--password-stdin"]);
        self.command("", &["user", "create", "carl", "--password", FIRST_PASSWORD]);
        let rotate = ["client", "rotate-secret", "erp", "--keep-old-for", "1h", "--json"];
        self.client_secret = self.command("", &rotate).expect("a secret");
        self.api_secret = self.command("", &["resource-server", "rotate-secret", API, "--json"]).expect("a secret");
        for shown in [
            &["client", "show", "erp"][..],
            &["user", "show", "alice"],
            &["resource-server", "list", "--json"],
            &["key", "rotate"],
            &["key", "list", "--json"],
            &["settings", "show"],
            &["webhook", "show", "siem"],
            &["webhook", "deliveries", "siem", "--json"],
            &["doctor"],
        ] {
            self.command("", shown);
        }
    }

    async fn send(&mut self, what: &str, request: reqwest::RequestBuilder) -> Value {
        let id = format!("request-{:04}", self.request_ids.len());
        let answer = Answer::of(request.header("x-request-id", &id)).await;
        self.request_ids.push(id);
        let document: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        for name in ["access_token", "refresh_token"] {
            match document[name].as_str() {
                Some(token) if name == "access_token" => self.secrets.add_access_token(what, token),
                Some(token) => self.secrets.add(format!("refresh token of {what}"), token),
                None => {}
            }
        }
        let text = if answer.status == 200 { String::new() } else { answer.text };
        let place = format!("the {} to {what}", answer.status);
        self.said.push(Said { place, text: format!("{:?}{text}", answer.headers), shown: vec![] });
        document
    }

    fn post(&self, path: &str, (id, secret): (&str, &str)) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.serving.base)).basic_auth(id, Some(secret))
    }

    async fn form(&mut self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.post(path, ("erp", &self.client_secret.clone())).form(form);
        self.send(&format!("{path} {:?}", form.first()), request).await
    }

    async fn log_in_and_out(&mut self) {
        let login = [("grant_type", "password"), ("username", "Alice"), ("password", PASSWORD)];
        let first = self.form("/oauth2/token", &login).await;
        let token = |document: &Value, name: &str| document[name].as_str().expect("a token").to_owned();
        for (username, password) in
            [("alice", WRONG_PASSWORD), ("nobody", PASSWORD), (PASSWORD, "x"), ("alice", FIRST_PASSWORD)]
        {
            let form = [("grant_type", "password"), ("username", username), ("password", password)];
            assert_eq!(self.form("/oauth2/token", &form).await["error"], "invalid_grant");
        }
        let own = self.form("/oauth2/token", &[("grant_type", "client_credentials")]).await;
        let mut refresh_token = token(&first, "refresh_token");
        for _ in 0..3 {
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
            let next = self.form("/oauth2/token", &form).await;
            refresh_token = token(&next, "refresh_token");
        }
        let access_token = token(&first, "access_token");
        for presented in [&access_token, &refresh_token, &token(&own, "access_token"), &format!("{access_token}x")] {
            self.form("/oauth2/introspect", &[("token", presented)]).await;
            let request = self.post("/oauth2/introspect", (API, &self.api_secret.clone()));
            self.send("introspection by the API", request.form(&[("token", presented)])).await;
            self.command(&format!("{presented}\n"), &["token", "inspect", "-"]);
        }
        // The oldest generation: a replay, which ends the grant.
        let replay = [("grant_type", "refresh_token"), ("refresh_token", &token(&first, "refresh_token"))];
        assert_eq!(self.form("/oauth2/token", &replay).await["error"], "invalid_grant");
        let again = self.form("/oauth2/token", &login).await;
        for presented in [token(&again, "refresh_token"), token(&own, "access_token"), access_token] {
            self.form("/oauth2/revoke", &[("token", &presented)]).await;
        }
        self.secrets.add("Authorization header", STANDARD.encode(format!("erp:{}", self.client_secret)));
    }

    /// What careless clients send.
    async fn misplace_secrets(&mut self) {
        let secret = self.client_secret.clone();
        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let kept = self.form("/oauth2/token", &login).await;
        let (access_token, refresh_token) =
            (kept["access_token"].as_str().unwrap().to_owned(), kept["refresh_token"].as_str().unwrap().to_owned());
        let password = PASSWORD.replace(' ', "%20");
        let base = self.serving.base.clone();
        let http = self.http.clone();
        let at = |path: String| format!("{base}{path}");
        for path in [
            format!("/oauth2/token?client_id=erp&client_secret={secret}&password={password}"),
            format!("/oauth2/revoke?token={refresh_token}"),
            format!("/oauth2/token/{secret}"),
            format!("/oauth2/revoke/{refresh_token}/{access_token}"),
            format!("/{password}"),
        ] {
            self.send("a secret in the URL", http.get(at(path.clone()))).await;
            self.send("a secret in the URL", http.post(at(path)).form(&login)).await;
        }
        let token_url = at("/oauth2/token".to_owned());
        for authorization in
            [secret.clone(), format!("Bearer {access_token}"), format!("Basic {secret}"), format!("Basic erp:{secret}")]
        {
            let request = http.post(&token_url).header(AUTHORIZATION, authorization).form(&login);
            self.send("a strange Authorization header", request).await;
        }
        for (name, value) in [(COOKIE.as_str(), &refresh_token), ("x-api-key", &secret), ("host", &secret)] {
            self.send("a secret in a header", http.post(&token_url).header(name, value).form(&login)).await;
        }
        let json = serde_json::json!({ "client_secret": secret, "password": PASSWORD }).to_string();
        for content_type in ["application/json", "text/plain", "multipart/form-data"] {
            let request = self.post("/oauth2/token", ("erp", &secret)).header(CONTENT_TYPE, content_type);
            self.send("a body of another type", request.body(json.clone())).await;
        }
        for (name, value) in [
            ("grant_type", &secret),
            ("scope", &secret),
            ("resource", &refresh_token),
            ("username", &secret),
            ("client_id", &secret),
            ("client_assertion", &access_token),
            (secret.as_str(), &refresh_token),
        ] {
            let mut form = login.to_vec();
            form.retain(|(known, _)| *known != name);
            form.push((name, value));
            self.send("a secret in the wrong parameter", self.post("/oauth2/token", ("erp", &secret)).form(&form))
                .await;
        }
        for (id, presented) in
            [(secret.as_str(), "erp"), ("erp", WRONG_SECRET), ("nobody", &secret), ("erp", &refresh_token)]
        {
            self.send("wrong credentials", self.post("/oauth2/token", (id, presented)).form(&login)).await;
        }
        for (token, hint) in [("x", &refresh_token), (&*format!("{refresh_token}{secret}"), &access_token)] {
            self.form("/oauth2/introspect", &[("token", token), ("token_type_hint", hint)]).await;
        }
        let forged = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"{secret}"}}"#)));
        self.form("/oauth2/introspect", &[("token", &forged)]).await;
    }

    /// What is no HTTP, or hardly.
    fn send_noise(&mut self) {
        let secret = &self.client_secret;
        let address = self.serving.base.strip_prefix("http://").unwrap();
        for noise in [
            format!("{secret}\r\n\r\n"),
            format!("{secret} /oauth2/token HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET {secret} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {secret}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {secret}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\n{secret}\r\n\r\n"),
            format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n"),
        ] {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
            stream.write_all(noise.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // A timeout ends what was kept alive.
            let _ = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer).into_owned();
            self.said.push(Said { place: "the answer to noise".to_owned(), text, shown: vec![] });
        }
    }

    /// The secrets of the issuer itself.
    async fn gather_keys(&mut self) {
        let text = std::fs::read_to_string(self.program.master_key_file()).unwrap();
        let master_key = text.trim().rsplit_once(':').unwrap().1;
        self.secrets.add("master key", master_key);
        self.secrets.add("master key", URL_SAFE_NO_PAD.decode(master_key).unwrap());
        let master = MasterKeyRing::load(&self.program.master_key_file()).unwrap();
        let mut connection = self.program.store().reading().await.unwrap();
        for row in sealed_secrets::all(&mut connection).await.unwrap() {
            let purpose = format!("secret:{}:{}", row.name, row.version);
            self.secrets.add(row.name, seal::open(&master, &purpose, &row.ciphertext).unwrap().expose());
        }
        let keys = signing_keys::all(&mut connection).await.unwrap();
        assert!(keys.len() > 1, "the first and the rotated one");
        for row in keys {
            let der = seal::open(&master, &format!("signing-key:{}", row.kid), &row.sealed_private_key).unwrap();
            // PKCS#8 for P-256 has its scalar there (RFC 5958, RFC 5915).
            self.secrets.add(format!("scalar of {}", row.kid), &der.expose()[36..68]);
            self.secrets.add(format!("private key {}", row.kid), der.expose());
        }
    }
}

impl Program {
    /// Its database, as another program would open it.
    pub fn store(&self) -> Store {
        let url = self.database_url();
        let database =
            if url.starts_with("sqlite:") { Database::Sqlite(self.sqlite_file()) } else { Database::Postgres(url) };
        Store::open(database, 1).unwrap()
    }
}
