//! What signet needs before it can be put under load, made through its own command line: two resource servers, a client
//! of each, a user for every connection. The one file that knows the commands.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use signet::entropy::Entropy;
use signet::secret::Secret;

use crate::client::basic_authorization;
use crate::failure::{Failure, output_of};

pub const ES256_AUDIENCE: &str = "https://api.bench.example";
pub const RS256_AUDIENCE: &str = "https://rs256.bench.example";

/// A fresh instance's subjects. Each client is allowed one resource server, so that requests need not name it.
#[derive(Clone)]
pub struct Subjects {
    pub es256_client: ClientCredentials,
    pub rs256_client: ClientCredentials,
    pub users: Vec<User>,
}

#[derive(Clone, Deserialize)]
pub struct ClientCredentials {
    client_id: String,
    client_secret: String,
}

/// One a connection: a cap on the sessions of one user must not end those under load.
#[derive(Clone)]
pub struct User {
    pub username: String,
    pub password: Secret,
}

impl ClientCredentials {
    /// The value of the Authorization header.
    pub fn authorization(&self) -> String {
        basic_authorization(&self.client_id, &self.client_secret)
    }
}

/// `command` gives the program with the environment of the instance; its database is migrated and not served.
pub async fn create_subjects(command: impl Fn() -> Command, users: usize) -> Result<Subjects, Failure> {
    let run = async |arguments: &[&str], input: &str| {
        let mut command = command();
        command.args(arguments);
        output_of(command, input).await
    };
    let scopes = ["--scope", "read", "--scope", "write", "--json"];
    run(&[&["resource-server", "create", ES256_AUDIENCE][..], &scopes].concat(), "").await?;
    let rs256 = ["resource-server", "create", RS256_AUDIENCE, "--signing-algorithm", "RS256"];
    run(&[&rs256[..], &scopes].concat(), "").await?;
    let create_client = async |name: &str, audience: &str| {
        let grant_types = ["client_credentials", "password", "refresh_token"].map(|name| ["--grant-type", name]);
        let arguments = [&["client", "create", name], grant_types.as_flattened(), &["--audience", audience]].concat();
        let answer = run(&[&arguments[..], &["--scope", "read", "--json"]].concat(), "").await?;
        // A user who logs in over and over keeps every session: ending the oldest is not what is measured.
        run(&["client", "update", name, "--grant-limit", "10000"], "").await?;
        serde_json::from_str(&answer)
            .map_err(|_| Failure::Unexpected { request: "signet client create".into(), answer })
    };
    let es256_client = create_client("bench-es256", ES256_AUDIENCE).await?;
    let rs256_client = create_client("bench-rs256", RS256_AUDIENCE).await?;
    let mut created = Vec::with_capacity(users);
    for number in 0..users {
        let user = User { username: format!("bench-{number}"), password: Secret::generate("", &Entropy::system()) };
        run(&["user", "create", &user.username, "--password-stdin"], user.password.expose()).await?;
        created.push(user);
    }
    Ok(Subjects { es256_client, rs256_client, users: created })
}

/// Writes a new master key, in the format of its file, readable by this user alone.
pub fn create_master_key(path: &Path) -> Result<(), Failure> {
    let key = URL_SAFE_NO_PAD.encode(Entropy::system().bytes::<32>());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| writeln!(file, "signet-master-key-1:{key}")).map_err(Failure::io("writing the master key"))
}
