//! Statements that are prepared once a connection.
//!
//! diesel has each INSERT and UPDATE prepared anew whenever it runs, for the text may depend on the values: a round trip and a
//! plan more for each. Where it does not, the statement says so.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A statement that has few texts, whatever its values are.
pub struct Prepared<S>(S);

pub trait Prepare: Sized {
    /// Keeps the statement prepared on its connection, found again by its text. Behind a pooler that gives each transaction
    /// another connection nothing is kept.
    ///
    /// diesel's own `execute`, on a connection of SQLite that is used directly, does not come to know of it: it takes the
    /// statement by reference. An UPDATE that is run so has to answer something.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<S> Prepare for S {}

impl<S, DB: Backend> QueryFragment<DB> for Prepared<S>
where
    S: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

/// Of no type that would name it alone: it is the text that does.
impl<S> QueryId for Prepared<S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S: Query> Query for Prepared<S> {
    type SqlType = S::SqlType;
}

impl<S, C> diesel::RunQueryDsl<C> for Prepared<S> {}
