//! Answers that are given again to whoever asks the same again, for a day.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::on;
use super::schema::remembered_answers;
use super::{Bind, Connection, Error};

#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = remembered_answers)]
pub struct RememberedAnswer {
    pub key: Vec<u8>,
    pub request_hash: Vec<u8>,
    pub sealed_answer: Vec<u8>,
    #[diesel(serialize_as = Bind<DateTime<Utc>>)]
    pub created_at: DateTime<Utc>,
}

/// # Errors
/// [`Error::Exists`] when there is one of this key.
pub async fn insert(connection: &mut Connection, answer: &RememberedAnswer) -> Result<(), Error> {
    on!(connection, c => diesel::insert_into(remembered_answers::table).values(answer.clone()).execute(c))?;
    Ok(())
}

pub async fn find(
    connection: &mut Connection,
    key: &[u8],
    since: DateTime<Utc>,
) -> Result<Option<RememberedAnswer>, Error> {
    let query = remembered_answers::table.find(key).filter(remembered_answers::created_at.gt(Bind(since)));
    Ok(on!(connection, c => query.select(RememberedAnswer::as_select()).get_result(c)).optional()?)
}

/// Removes those of before, however many there are: administrators make few.
pub async fn forget(connection: &mut Connection, before: DateTime<Utc>) -> Result<usize, Error> {
    let old = remembered_answers::table.filter(remembered_answers::created_at.le(Bind(before)));
    Ok(on!(connection, c => diesel::delete(old).execute(c))?)
}
