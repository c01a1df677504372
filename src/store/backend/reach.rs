//! Whether the database can be reached at all, for whoever starts before it does.

use super::target::Target;
use super::{Database, Store};

/// Why the database cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// It may be in a moment.
    #[error("{0}")]
    Now(String),
    /// Not before somebody changes a setting, here or there.
    #[error("{0}")]
    Ever(String),
}

impl Store {
    /// Connects once, past the pool. An embedded database is always there.
    pub async fn reach(&self) -> Result<(), Unreachable> {
        let Database::Postgres(url) = self.database() else { return Ok(()) };
        let target = Target::parse(url).map_err(|error| Unreachable::Ever(error.to_string()))?;
        match target.connect(None).await {
            Ok(_) => Ok(()),
            Err(diesel::ConnectionError::InvalidConnectionUrl(why)) => Err(Unreachable::Ever(why)),
            Err(why) => Err(Unreachable::Now(why.to_string())),
        }
    }
}
