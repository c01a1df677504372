//! How many users still have a hash of another system, by scheme: it goes when they log in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Admin, Error};
use crate::password::imported_scheme;
use crate::store::{self, Store, users};

/// Rows that are read at once: only identifiers and hashes.
const PAGE: i64 = 5000;

#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HashCount {
    /// `argon2id` that is not imported is ours; `none` is of users without a password.
    pub scheme: String,
    pub imported: bool,
    /// Whether Argon2id was put over it.
    pub wrapped: bool,
    pub users: u64,
}

/// Goes through all users: a second or so for a million.
pub async fn count(store: &Store) -> Result<Vec<HashCount>, store::Error> {
    let mut counts: BTreeMap<(bool, String, bool), u64> = BTreeMap::new();
    let mut after = Uuid::nil();
    loop {
        let page = users::password_hashes(&mut store.reading().await?, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, hash) in page {
            let kind = match hash.as_deref().map(imported_scheme) {
                None => (false, "none".to_owned(), false),
                Some(None) => (false, "argon2id".to_owned(), false),
                Some(Some((scheme, wrapped))) => (true, scheme.to_owned(), wrapped),
            };
            *counts.entry(kind).or_default() += 1;
        }
    }
    let counted = counts.into_iter();
    Ok(counted.map(|((imported, scheme, wrapped), users)| HashCount { scheme, imported, wrapped, users }).collect())
}

impl Admin {
    pub async fn password_hashes(&self) -> Result<Vec<HashCount>, Error> {
        Ok(count(&self.store).await?)
    }
}
