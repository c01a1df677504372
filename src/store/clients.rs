//! Clients and their secrets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::on;
use super::schema::{client_secrets, clients};
use super::{Bind, Connection, Error, Json, Spelled};
use crate::protocol::client::{AuthMethod, GrantType};
use crate::protocol::network::Network;
use crate::protocol::scope::Scope;

/// A row of `clients`. Lifetimes are in seconds. What is absent is as the settings have it.
#[derive(Clone, Debug, Hash, Insertable, PartialEq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = clients, treat_none_as_null = true)]
pub struct Client {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub client_id: String,
    /// Absent: a secret, presented either way.
    pub token_endpoint_auth_method: Option<Spelled<AuthMethod>>,
    pub grant_types: Json<Vec<GrantType>>,
    pub scope: Spelled<Scope>,
    /// The first is the default.
    pub audiences: Json<Vec<String>>,
    pub access_token_lifetime: Option<i64>,
    pub refresh_idle_lifetime: Option<i64>,
    pub refresh_absolute_lifetime: Option<i64>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub disabled_at: Option<DateTime<Utc>>,
    /// See [`Settings::grant_limit`](super::settings::Settings::grant_limit).
    pub grant_limit: Option<i64>,
    /// From where it may log users in with a password; empty: from everywhere.
    pub allowed_networks: Json<Vec<Network>>,
}

/// A row of `client_secrets`. It has no `Debug`, for it holds the secret's hash.
#[derive(Clone, Hash, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = client_secrets)]
pub struct ClientSecret {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    #[diesel(serialize_as = Bind<Uuid>)]
    pub client_id: Uuid,
    pub secret_hash: Vec<u8>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub expires_at: Option<DateTime<Utc>>,
}

pub async fn insert(connection: &mut Connection, client: &Client) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(clients::table).values(client.clone()).execute(c))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, client_id: &str) -> Result<Option<Client>, Error> {
    Ok(on!(connection, c => clients::table.filter(clients::client_id.eq(client_id)).select(Client::as_select()).get_result(c)).optional()?)
}

pub async fn find_by_id(connection: &mut Connection, id: Uuid) -> Result<Option<Client>, Error> {
    Ok(on!(connection, c => clients::table.find(Bind(id)).select(Client::as_select()).get_result(c)).optional()?)
}

/// Clients in the order of their identifiers, those behind `after`.
pub async fn list(connection: &mut Connection, after: &str, limit: i64) -> Result<Vec<Client>, Error> {
    Ok(on!(connection, c => clients::table
        .filter(clients::client_id.gt(after))
        .order(clients::client_id)
        .limit(limit)
        .select(Client::as_select()).load(c))?)
}

/// Writes every column of a client that was read before.
pub async fn count(connection: &mut Connection) -> Result<i64, Error> {
    Ok(on!(connection, c => clients::table.count().get_result(c))?)
}

pub async fn update(connection: &mut Connection, client: &Client) -> Result<(), Error> {
    on!(connection, c => diesel::update(clients::table.find(Bind(client.id))).set(client.clone()).execute(c))?;
    Ok(())
}

/// The identifiers by which these rows are known.
pub async fn names(connection: &mut Connection, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>, Error> {
    let named = clients::table.filter(clients::id.eq_any(ids.iter().copied().map(Bind)));
    Ok(on!(connection, c => named.select((clients::id, clients::client_id)).load(c))?)
}

pub async fn delete(connection: &mut Connection, id: Uuid) -> Result<(), Error> {
    on!(connection, c => diesel::delete(clients::table.find(Bind(id))).execute(c))?;
    Ok(())
}

pub async fn secrets(connection: &mut Connection, client: Uuid) -> Result<Vec<ClientSecret>, Error> {
    Ok(on!(connection, c => client_secrets::table
        .filter(client_secrets::client_id.eq(Bind(client)))
        .order((client_secrets::created_at, client_secrets::id))
        .select(ClientSecret::as_select()).load(c))?)
}

pub async fn insert_secret(connection: &mut Connection, secret: &ClientSecret) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(client_secrets::table).values(secret.clone()).execute(c))?;
    Ok(())
}

/// Lets the client's present secrets end at `at`, those that do not end before.
pub async fn expire_secrets(connection: &mut Connection, client: Uuid, at: DateTime<Utc>) -> Result<(), Error> {
    let lasting = client_secrets::table
        .filter(client_secrets::client_id.eq(Bind(client)))
        .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(Bind(at))));
    on!(connection, c => diesel::update(lasting).set(client_secrets::expires_at.eq(Bind(at))).execute(c))?;
    Ok(())
}

/// Removes the client's secrets that have ended.
pub async fn delete_expired_secrets(
    connection: &mut Connection,
    client: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ended = client_secrets::table
        .filter(client_secrets::client_id.eq(Bind(client)))
        .filter(client_secrets::expires_at.le(Bind(now)));
    on!(connection, c => diesel::delete(ended).execute(c))?;
    Ok(())
}
