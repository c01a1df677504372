//! The secrets of confidential clients. Two may live at a time, so that one is replaced everywhere without an outage; only
//! their hashes are kept.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::clients::{ClientView, find, is_public, target};
use super::{Admin, Done, Error, lifetime};
use crate::secret::{Secret, SecretHash};
use crate::store::Connection;
use crate::store::clients::{self, Client, ClientSecret};

/// Lets a scanner of leaked secrets know a client's.
const PREFIX: &str = "sgs_";

/// A client with the times of its secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClientDetails {
    #[serde(flatten)]
    pub client: ClientView,
    pub client_secrets: Vec<SecretTimes>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretTimes {
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl Admin {
    pub async fn client(&self, client_id: &str) -> Result<ClientDetails, Error> {
        let mut connection = self.store.reading().await?;
        let client = find(&mut connection, client_id).await?;
        details(&mut connection, client).await
    }

    /// Answers a new secret. The old one ends now, or after `keep_old_for` seconds.
    pub async fn rotate_client_secret(
        &self,
        client_id: &str,
        keep_old_for: Option<i64>,
    ) -> Result<Done<ClientDetails>, Error> {
        if let Some(seconds) = keep_old_for {
            lifetime::check("keep_old_for", seconds)?;
        }
        let rotated = async |connection: &mut Connection| {
            let client = find(connection, client_id).await?;
            if is_public(&client) {
                return Err(Error::Refused(format!(
                    "{client_id} is a public client, which has no secret: create another client for software that can \
                     keep one"
                )));
            }
            let now = self.clock.now();
            clients::delete_expired_secrets(connection, client.id, now).await?;
            let live = clients::secrets(connection, client.id).await?;
            if let (Some(_), true) = (keep_old_for, live.len() > 1) {
                return Err(two_already(client_id, live.iter().filter_map(|secret| secret.expires_at).min()));
            }
            let end = now + Duration::seconds(keep_old_for.unwrap_or(0));
            clients::expire_secrets(connection, client.id, end).await?;
            clients::delete_expired_secrets(connection, client.id, now).await?;
            let client_secret = Some(self.add_secret(connection, &client).await?);
            let event = json!({ "keep_old_for": keep_old_for });
            self.audit(connection, "client.rotate_secret", &target(client_id), event).await?;
            Ok(Done { client_secret, ..Done::plain(details(connection, client).await?) })
        };
        self.configure(rotated).await
    }

    pub(super) async fn add_secret(&self, connection: &mut Connection, client: &Client) -> Result<Secret, Error> {
        let now = self.clock.now();
        let secret = Secret::generate(PREFIX, &self.entropy);
        let row = ClientSecret {
            id: self.entropy.ordered_uuid(now),
            client_id: client.id,
            secret_hash: SecretHash::of(&secret).as_bytes().to_vec(),
            created_at: now,
            expires_at: None,
        };
        clients::insert_secret(connection, &row).await?;
        Ok(secret)
    }
}

async fn details(connection: &mut Connection, client: Client) -> Result<ClientDetails, Error> {
    let secrets = clients::secrets(connection, client.id).await?;
    let times = |row: &ClientSecret| SecretTimes { created_at: row.created_at, expires_at: row.expires_at };
    Ok(ClientDetails { client: client.into(), client_secrets: secrets.iter().map(times).collect() })
}

/// A third live secret is refused: nobody would know any more which of them is in use where.
pub(super) fn two_already(name: &str, older_ends_at: Option<DateTime<Utc>>) -> Error {
    let until = older_ends_at.map(|at| format!(" (at {})", at.format("%FT%TZ"))).unwrap_or_default();
    Error::Refused(format!(
        "{name} has two live secrets already: wait until the older one ends{until}, or rotate without keeping old \
         secrets, which ends both now"
    ))
}
