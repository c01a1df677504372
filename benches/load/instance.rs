//! The signet under load: started, prepared, restarted to time its start, and what its connections say to it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::WORKERS;
use crate::client::{self, Connection};
use crate::conversation::{Conversation, Expected, string_member};
use crate::failure::Failure;
use crate::preparation::{self, Subjects, User};
use crate::processors;
use crate::server::{Server, free_address};

const PROGRAM: &str = env!("CARGO_BIN_EXE_signet");
const TOKEN: &str = "/oauth2/token";
const ACCESS_TOKEN: Expected = Expected { member: "access_token", value: "\"" };
const CLIENT_CREDENTIALS: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "read")];
/// After its start, until memory and processor are at rest.
const SETTLING: Duration = Duration::from_secs(1);

pub struct Instance {
    pub server: Server,
    /// Of the first start, which migrates the database and creates keys.
    pub first_ready_after: Duration,
    /// Of the starts after it.
    pub ready_after: Vec<Duration>,
    pub idle_resident_mib: f64,
    subjects: Subjects,
    environment: Environment,
}

impl Instance {
    /// Starts signet on a fresh database, in `folder`, which is created; without a URL it is an SQLite file there.
    pub async fn start(
        folder: &Path,
        database_url: Option<&str>,
        users: usize,
        restarts: usize,
    ) -> Result<Self, Failure> {
        fs::create_dir(folder).map_err(Failure::io(format!("creating {}", folder.display())))?;
        preparation::create_master_key(&folder.join("master.key"))?;
        let address = free_address()?;
        let database_url = database_url.map(Into::into);
        let environment = Environment { folder: folder.to_owned(), issuer: address, address, database_url };
        let first_ready_after = environment.serve().await?.ready_after;
        let subjects = preparation::create_subjects(|| environment.command(), users).await?;
        // Once more before the timed starts: the new resource servers may have called for new keys.
        let mut server = environment.serve().await?;
        let mut ready_after = Vec::with_capacity(restarts);
        for _ in 0..restarts {
            drop(server);
            server = environment.serve().await?;
            ready_after.push(server.ready_after);
        }
        tokio::time::sleep(SETTLING).await;
        let idle_resident_mib = server.supervised.process().resident_mib()?;
        Ok(Self { server, first_ready_after, ready_after, idle_resident_mib, subjects, environment })
    }

    /// One more on the same database, for the same issuer and subjects.
    pub async fn another(&self) -> Result<Self, Failure> {
        let environment = Environment { address: free_address()?, ..self.environment.clone() };
        let server = environment.serve().await?;
        let (first_ready_after, idle_resident_mib) = (server.ready_after, server.supervised.process().resident_mib()?);
        let subjects = self.subjects.clone();
        Ok(Self { server, first_ready_after, ready_after: Vec::new(), idle_resident_mib, subjects, environment })
    }

    /// What the client of [`Self::own_tokens`] authenticates by.
    pub fn authorization(&self) -> String {
        self.subjects.es256_client.authorization()
    }

    /// So many tokens that a client takes for itself.
    pub async fn own_tokens(&self, count: u32) -> Result<Vec<String>, Failure> {
        let request = client::post(self.server.address, TOKEN, &self.authorization(), &CLIENT_CREDENTIALS);
        let mut connection = Connection::new(self.server.address);
        let mut tokens = Vec::new();
        for _ in 0..count {
            tokens.push(self.token_on(&mut connection, &request, "access_token").await?);
        }
        Ok(tokens)
    }

    /// Client credentials (RFC 6749 §4.4), after a check that the tokens are signed with `algorithm`.
    pub async fn client_credentials(&self, algorithm: &str) -> Result<Conversation, Failure> {
        let client = match algorithm {
            "RS256" => &self.subjects.rs256_client,
            _ => &self.subjects.es256_client,
        };
        let request = client::post(self.server.address, TOKEN, &client.authorization(), &CLIENT_CREDENTIALS);
        let token = self.token(&request, "access_token").await?;
        let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok()).unwrap_or_default();
        let header = String::from_utf8_lossy(&header).into_owned();
        if string_member(&header, "alg") == Some(algorithm) {
            return Ok(Conversation::repeated(self.server.address, request, ACCESS_TOKEN));
        }
        Err(Failure::Unexpected {
            request: format!("a client whose tokens are signed with {algorithm}"),
            answer: header,
        })
    }

    /// `count` sessions (at most as many as there are users), each with its own user and refresh token.
    pub async fn sessions(&self, count: usize) -> Result<Vec<Conversation>, Failure> {
        let authorization = self.subjects.es256_client.authorization();
        let mut sessions = Vec::with_capacity(count);
        for number in 0..count.min(self.subjects.users.len()) {
            let refresh_token = self.token(&self.login(number), "refresh_token").await?;
            sessions.push(Conversation::refreshing(self.server.address, &authorization, &refresh_token));
        }
        Ok(sessions)
    }

    /// One of the users who logs in over and over, from an address of its own.
    pub fn logins(&self, number: usize) -> Conversation {
        let from = format!("198.18.{}.{}", number / 250, number % 250 + 1);
        let request = client::forwarded(&self.login(number), &from);
        Conversation::repeated(self.server.address, request, ACCESS_TOKEN)
    }

    /// Revocations (RFC 7009) of `count` access tokens, dealt out to `connections`.
    pub async fn revocations(&self, connections: usize, count: u32) -> Result<Vec<Conversation>, Failure> {
        let tokens = self.own_tokens(count).await?;
        let revoke = |token: &String| {
            client::post(self.server.address, "/oauth2/revoke", &self.authorization(), &[("token", token)])
        };
        let share = tokens.len().div_ceil(connections.max(1)).max(1);
        let shares = tokens.chunks(share).map(|tokens| tokens.iter().map(revoke).collect());
        Ok(shares.map(|requests| Conversation::listed(self.server.address, requests)).collect())
    }

    /// The login of one of the users, who take turns.
    pub fn login(&self, number: usize) -> Vec<u8> {
        let User { username, password } = &self.subjects.users[number % self.subjects.users.len()];
        let form = [("grant_type", "password"), ("username", username), ("password", password.expose())];
        client::post(self.server.address, TOKEN, &self.subjects.es256_client.authorization(), &form)
    }

    /// Introspection (RFC 7662) of a live access token by the client it was issued to.
    pub async fn introspection(&self) -> Result<Conversation, Failure> {
        let authorization = self.subjects.es256_client.authorization();
        let request = client::post(self.server.address, TOKEN, &authorization, &CLIENT_CREDENTIALS);
        let token = self.token(&request, "access_token").await?;
        let request = client::post(self.server.address, "/oauth2/introspect", &authorization, &[("token", &token)]);
        let expected = Expected { member: "active", value: "true" };
        Ok(Conversation::repeated(self.server.address, request, expected))
    }

    pub fn jwks(&self) -> Conversation {
        let request = client::fetch(self.server.address, "/.well-known/jwks.json");
        Conversation::repeated(self.server.address, request, Expected { member: "keys", value: "[{" })
    }

    /// One token request outside the load; the token is the answer's `member`.
    async fn token(&self, request: &[u8], member: &str) -> Result<String, Failure> {
        self.token_on(&mut Connection::new(self.server.address), request, member).await
    }

    async fn token_on(&self, connection: &mut Connection, request: &[u8], member: &str) -> Result<String, Failure> {
        let unexpected = |answer| Failure::Unexpected { request: format!("a token request for {member}"), answer };
        let answer = connection.exchange(request).await.map_err(|error| unexpected(error.to_string()))?;
        let body = String::from_utf8_lossy(answer.body);
        let token = string_member(&body, member).map(str::to_owned);
        token.ok_or_else(|| unexpected(format!("status {}: {body}", answer.status)))
    }
}

#[derive(Clone)]
struct Environment {
    folder: PathBuf,
    issuer: SocketAddr,
    address: SocketAddr,
    database_url: Option<String>,
}

impl Environment {
    async fn serve(&self) -> Result<Server, Failure> {
        let log = self.folder.join("log");
        let (program, start) = match processors::of_signet() {
            None => (PROGRAM, vec!["serve".to_owned()]),
            Some(list) => ("taskset", vec!["--cpu-list".to_owned(), list, PROGRAM.to_owned(), "serve".to_owned()]),
        };
        Server::start("signet", Path::new(program), &log, self.address, |command| self.apply(command.args(start))).await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        self.apply(&mut command);
        command
    }

    /// Nothing of this process's environment goes on to signet: a setting of the user's must not change the figures.
    fn apply(&self, command: &mut Command) {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("SIGNET_ISSUER", format!("http://{}", self.issuer));
        command
            .env("SIGNET_LISTEN", self.address.to_string())
            .env("SIGNET_ADMIN_LISTEN", "off")
            .env("SIGNET_TLS", "off");
        command.env("SIGNET_WORKERS", WORKERS.to_string());
        // The generator says from where a login comes.
        command.env("SIGNET_TRUSTED_PROXIES", "127.0.0.1");
        command.env("SIGNET_DATA_DIR", &self.folder).env("SIGNET_MASTER_KEY_FILE", self.folder.join("master.key"));
        if let Some(url) = &self.database_url {
            command.env("SIGNET_DATABASE_URL", url);
        }
    }
}
