//! Counters that say that something changed. An instance that holds a copy compares one number instead of reading
//! everything again; with PostgreSQL a notice tells it when to look.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::{Prepare as _, on};
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

/// Counts a change, in the transaction that makes it: other transactions that count the same topic wait for its end.
/// Answers the new count.
pub async fn bump(connection: &mut Connection, topic: Topic) -> Result<i64, Error> {
    let count = advance(connection, topic, 1).await?;
    connection.notify(topic.as_str()).await?;
    Ok(count)
}

/// Moves a counter on without telling anybody.
pub(super) async fn advance(connection: &mut Connection, topic: Topic, by: i64) -> Result<i64, Error> {
    let counted = diesel::update(revisions::table.find(topic.as_str()))
        .set(revisions::revision.eq(revisions::revision + by))
        .returning(revisions::revision)
        .prepared();
    Ok(on!(connection, c => counted.get_result(c))?)
}

/// Every topic's counter.
pub async fn current(connection: &mut Connection) -> Result<HashMap<String, i64>, Error> {
    let query = revisions::table.select((revisions::topic, revisions::revision));
    Ok(on!(connection, c => query.load::<(String, i64)>(c))?.into_iter().collect())
}
