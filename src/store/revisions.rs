//! Counters that say that something changed. An instance that holds a copy compares one number instead of reading
//! everything again; with PostgreSQL a notice tells it when to look.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::revisions;
use super::{Connection, Error};

/// What instances keep copies of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Topic {
    /// Clients, resource servers, settings.
    Configuration,
    Keys,
    Revocations,
}

impl Topic {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Keys => "keys",
            Self::Revocations => "revocations",
        }
    }
}

/// Counts a change, in the transaction that makes it.
pub async fn bump(connection: &mut Connection, topic: Topic) -> Result<(), Error> {
    let row = revisions::table.find(topic.as_str());
    on!(connection, c => diesel::update(row).set(revisions::revision.eq(revisions::revision + 1)).execute(c))?;
    connection.notify(topic.as_str()).await
}

/// Every topic's counter.
pub async fn current(connection: &mut Connection) -> Result<HashMap<String, i64>, Error> {
    let query = revisions::table.select((revisions::topic, revisions::revision));
    Ok(on!(connection, c => query.load::<(String, i64)>(c))?.into_iter().collect())
}
