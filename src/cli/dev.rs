//! `signet dev`: an issuer to try things out on, with a certificate, a demo API, a demo client and a demo user of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compose;
use super::failure::Failure;
use super::{output, profile, serve, tls};
use crate::admin::Admin;
use crate::admin::clients::NewClient;
use crate::admin::resource_servers::NewResourceServer;
use crate::admin::users::NewUser;
use crate::config::{Config, Tls};
use crate::oauth::Provider;
use crate::protocol::client::GrantType;
use crate::protocol::jwk::Algorithm;
use crate::protocol::scope::Scope;
use crate::secret::Secret;

const AUDIENCE: &str = "https://demo-api.example";
const CLIENT_ID: &str = "demo-client";
const ADMINISTRATOR: &str = "signet-admin";
const USERNAME: &str = "demo";

/// The demo's credentials, random like all others, kept beside the database so that the commands can be printed again.
#[derive(Deserialize, Serialize)]
struct Demo {
    audience: String,
    resource_server_secret: String,
    client_id: String,
    client_secret: String,
    username: String,
    password: String,
}

pub async fn dev(config: &Config) -> Result<(), Failure> {
    let issuer = compose::issuer(config)?;
    compose::create_folder(&config.data_dir)?;
    let mut authority = None;
    let hangup = Arc::default();
    let tls = if config.tls == Tls::Off {
        None
    } else if let (Some(certificate), Some(key)) = (&config.tls_cert_file, &config.tls_key_file) {
        Some(tls::from_files(certificate, key, &hangup)?)
    } else {
        let files = tls::local_certificate(&config.data_dir)?;
        let server = tls::from_files(&files.certificate, &files.key, &hangup)?;
        authority = Some(absolute(&files.authority));
        Some(server)
    };
    serve::run(config, issuer, (tls, hangup), async |provider: &Arc<Provider>, administration: Option<SocketAddr>| {
        let file = config.data_dir.join("dev-demo.json");
        let admin = compose::administration(provider, "dev");
        let demo = demo(&admin, &file).await?;
        let mut text = introduction(provider, demo.as_ref(), authority.as_deref());
        if let Some(address) = administration {
            let file = config.data_dir.join("dev-admin.toml");
            let server = format!("{}://{address}", if config.tls == Tls::Off { "http" } else { "https" });
            if administrator(&admin, provider, (&server, authority.as_deref()), &file).await? {
                text.push_str(&in_administration(&file));
            }
        }
        Ok(output::line(std::io::stdout(), &text)?)
    })
    .await
}

/// An administrator of this database, whose secret is kept in a profile: made with the demo, and told of as long as the
/// profile is there.
async fn administrator(
    admin: &Admin,
    provider: &Provider,
    (server, authority): (&str, Option<&Path>),
    profile: &Path,
) -> Result<bool, Failure> {
    if profile.exists() {
        return Ok(true);
    }
    let Ok(done) = admin.bootstrap(&provider.issuer, ADMINISTRATOR).await else { return Ok(false) };
    let Some(secret) = done.client_secret else { return Ok(false) };
    let client = (ADMINISTRATOR, &secret);
    let text = profile::text(Some(server), authority, &provider.issuer.url("/oauth2/token"), client)?;
    tls::write(profile, text.expose(), 0o600)?;
    Ok(true)
}

/// By the program's own path: who has just built it has not installed it.
fn in_administration(profile: &Path) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("signet"));
    format!(
        "\n# 5. Administration, over HTTP\n'{}' --profile '{}' user list\n",
        program.display(),
        absolute(profile).display()
    )
}

/// The demo of this database: made where the database is empty, read from its file later on, and `None` in a database
/// that has other contents.
async fn demo(admin: &Admin, file: &Path) -> Result<Option<Demo>, Failure> {
    let empty = admin.clients("", 1).await?.is_empty()
        && admin.users("", 1).await?.is_empty()
        && admin.resource_servers("", 1).await?.is_empty();
    if !empty {
        let kept = fs::read_to_string(file).ok().and_then(|text| serde_json::from_str::<Demo>(&text).ok());
        return Ok(kept);
    }
    let scope: Scope = "read write".parse().map_err(|error| Failure::Unusable(format!("{error}")))?;
    let server = admin
        .create_resource_server(NewResourceServer {
            audience: AUDIENCE.to_owned(),
            scope,
            access_token_lifetime: None,
            signing_algorithm: Algorithm::ES256,
        })
        .await?;
    let client = admin.create_client(NewClient::new(CLIENT_ID, GrantType::ALL, &[AUDIENCE])).await?;
    let password = Secret::generate("", &admin.entropy);
    let user = NewUser { username: USERNAME.to_owned(), email: None, password: password.clone() };
    admin.create_user(user).await?;
    let shown = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned()).unwrap_or_default();
    let demo = Demo {
        audience: AUDIENCE.to_owned(),
        resource_server_secret: shown(server.client_secret),
        client_id: CLIENT_ID.to_owned(),
        client_secret: shown(client.client_secret),
        username: USERNAME.to_owned(),
        password: password.expose().to_owned(),
    };
    let text = serde_json::to_string_pretty(&demo).map_err(|error| Failure::Unusable(error.to_string()))?;
    tls::write(file, &text, 0o600)?;
    Ok(Some(demo))
}

fn introduction(provider: &Provider, demo: Option<&Demo>, authority: Option<&Path>) -> String {
    let issuer = &provider.issuer;
    let mut text = format!("\nsignet dev serves {issuer} from {:?}. Stop it with Ctrl-C.\n", provider.store.database());
    let trust = authority.map(|file| format!(" --cacert '{}'", file.display())).unwrap_or_default();
    let Some(demo) = demo else {
        text.push_str("The database is not a new one: there is no demo in it. Its key set:\n\n");
        text.push_str(&format!("curl -sS{trust} {}\n", issuer.url("/.well-known/jwks.json")));
        return text;
    };
    let Demo { audience, resource_server_secret, client_id, client_secret, username, password } = demo;
    let (token, introspect) = (issuer.url("/oauth2/token"), issuer.url("/oauth2/introspect"));
    text.push_str(&format!(
        r#"A demo API ({audience}), client ({client_id}) and user ({username}) are in it. Copy and paste into one other shell:

# 1. Password grant: user name and password for an access token and a refresh token
TOKENS=$(curl -sS{trust} -u '{client_id}:{client_secret}' -d grant_type=password -d username={username} --data-urlencode 'password={password}' {token}); echo "$TOKENS"

# 2. Refresh: the next pair
TOKENS=$(curl -sS{trust} -u '{client_id}:{client_secret}' -d grant_type=refresh_token -d refresh_token="$(echo "$TOKENS" | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/')" {token}); echo "$TOKENS"

# 3. Introspection: what the demo API may know of the access token
curl -sS{trust} --data-urlencode 'client_id={audience}' -d client_secret='{resource_server_secret}' -d token="$(echo "$TOKENS" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')" {introspect}; echo

# 4. The key set, from which APIs verify access tokens on their own
curl -sS{trust} {jwks}; echo
"#,
        jwks = issuer.url("/.well-known/jwks.json"),
    ));
    text
}

/// So that the commands work from any folder.
fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
