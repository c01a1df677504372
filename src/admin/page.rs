//! Lists in pages: so many at a time, each page naming where the next begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use super::operation::Answer;
use super::{Admin, Done, Error};

const DEFAULT: i64 = 100;
pub const LARGEST: i64 = 500;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// Some of a list, in its order.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many there are in all, where counting them costs little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

impl<T: Serialize + DeserializeOwned + ToSchema> Answer for Page<T> {
    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    fn components(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        of_items::<T>(schemas);
    }
}

fn of_items<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

/// All of a short list, and what to know about it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Listed<T> {
    pub items: Vec<T>,
    #[serde(default)]
    pub notes: Vec<String>,
}

impl<T: Serialize + DeserializeOwned + ToSchema> Answer for Listed<T> {
    fn components(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        of_items::<T>(schemas);
    }
}

impl<T> From<Done<Vec<T>>> for Listed<T> {
    fn from(Done { view: items, notes, .. }: Done<Vec<T>>) -> Self {
        Self { items, notes }
    }
}

impl PageQuery {
    /// The key behind which the page begins: what was the last of the page before.
    pub fn after<K: DeserializeOwned + Default>(&self) -> Result<K, Error> {
        after(self.cursor.as_deref())
    }
}

/// What a cursor stands for.
pub fn after<K: DeserializeOwned + Default>(cursor: Option<&str>) -> Result<K, Error> {
    let Some(cursor) = cursor else { return Ok(K::default()) };
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice(&json).ok());
    key.ok_or_else(|| Error::invalid("cursor", "is not one that a page has given as `next`"))
}

/// How many a page may hold.
pub fn limit(wanted: Option<i64>) -> Result<i64, Error> {
    match wanted.unwrap_or(DEFAULT) {
        limit @ 1..=LARGEST => Ok(limit),
        _ => Err(Error::invalid("limit", format!("must be from 1 to {LARGEST}"))),
    }
}

impl Admin {
    /// A page: `fetch` is asked for one more than is answered, to know whether another follows.
    pub(super) async fn page<T, K: Serialize>(
        &self,
        wanted: Option<i64>,
        fetch: impl AsyncFnOnce(i64) -> Result<Vec<T>, Error>,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>, Error> {
        let limit = limit(wanted)?;
        let mut items = fetch(limit + 1).await?;
        let length = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > length;
        items.truncate(length);
        let last = items.last().filter(|_| more).map(|last| serde_json::to_vec(&key(last)));
        let next = last.and_then(Result::ok).map(|json| URL_SAFE_NO_PAD.encode(json));
        Ok(Page { items, next, total: None })
    }
}
