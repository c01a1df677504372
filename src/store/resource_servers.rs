//! Resource servers: the APIs that trust this issuer.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::backend::on;
use super::schema::resource_servers;
use super::{Bind, Connection, Error, Spelled};
use crate::protocol::jwk::Algorithm;
use crate::protocol::scope::Scope;

/// A row of `resource_servers`. It has no `Debug`, for it holds the secret's hash.
#[derive(Clone, Hash, Insertable, PartialEq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = resource_servers, treat_none_as_null = true)]
pub struct ResourceServer {
    #[diesel(serialize_as = Bind<Uuid>)]
    pub id: Uuid,
    pub audience: String,
    pub scope: Spelled<Scope>,
    /// Seconds.
    pub access_token_lifetime: Option<i64>,
    pub signing_algorithm: Spelled<Algorithm>,
    pub former_signing_algorithm: Option<Spelled<Algorithm>>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub signing_algorithm_since: Option<DateTime<Utc>>,
    pub secret_hash: Vec<u8>,
    pub previous_secret_hash: Option<Vec<u8>>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub previous_secret_expires_at: Option<DateTime<Utc>>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
    #[diesel(serialize_as = Bind<Option<DateTime<Utc>>>)]
    pub disabled_at: Option<DateTime<Utc>>,
}

impl ResourceServer {
    /// The algorithm that signs its tokens at `now`: the former one until verifiers can know a key of the new one.
    pub fn algorithm_at(&self, now: DateTime<Utc>) -> Algorithm {
        match (self.former_signing_algorithm, self.signing_algorithm_since) {
            (Some(former), Some(since)) if now < since => former.0,
            _ => self.signing_algorithm.0,
        }
    }
}

pub async fn insert(connection: &mut Connection, server: &ResourceServer) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(resource_servers::table).values(server.clone()).execute(c))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, audience: &str) -> Result<Option<ResourceServer>, Error> {
    Ok(on!(connection, c => resource_servers::table.filter(resource_servers::audience.eq(audience)).select(ResourceServer::as_select()).get_result(c)).optional()?)
}

/// Resource servers in the order of their audiences, those behind `after`.
pub async fn list(connection: &mut Connection, after: &str, limit: i64) -> Result<Vec<ResourceServer>, Error> {
    Ok(on!(connection, c => resource_servers::table
        .filter(resource_servers::audience.gt(after))
        .order(resource_servers::audience)
        .limit(limit)
        .select(ResourceServer::as_select()).load(c))?)
}

/// Writes every column of a resource server that was read before.
pub async fn count(connection: &mut Connection) -> Result<i64, Error> {
    Ok(on!(connection, c => resource_servers::table.count().get_result(c))?)
}

pub async fn update(connection: &mut Connection, server: &ResourceServer) -> Result<(), Error> {
    on!(connection, c => diesel::update(resource_servers::table.find(Bind(server.id))).set(server.clone()).execute(c))?;
    Ok(())
}

pub async fn delete(connection: &mut Connection, id: Uuid) -> Result<(), Error> {
    on!(connection, c => diesel::delete(resource_servers::table.find(Bind(id))).execute(c))?;
    Ok(())
}
