//! The column types that the two databases spell differently. In Rust they are plain `Uuid`, `DateTime<Utc>` and
//! [`Json`]; the SQL types of this file say how each database keeps them.
//!
//! | SQL type | PostgreSQL | SQLite |
//! |---|---|---|
//! | `DbUuid` | `uuid` | BLOB, 16 bytes |
//! | `DbTime` | `timestamptz` | INTEGER, microseconds since 1970 |
//! | `DbJson` | `jsonb` | TEXT |

use std::io::Write as _;

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{self, Nullable, SqlType};
use diesel::sqlite::Sqlite;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct DbUuid;

#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct DbTime;

#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 3802, array_oid = 3807))]
#[diesel(sqlite_type(name = "Text"))]
pub struct DbJson;

/// So that comparisons (`<`, `>`) are offered on times.
impl sql_types::SqlOrd for DbTime {}

/// A value on its way into a statement. Loading gives plain values; binding needs a type of our own, for neither the
/// trait nor `Uuid` or `DateTime` is.
#[derive(Clone, Copy, Debug)]
pub struct Bind<T>(pub T);

impl<T> From<T> for Bind<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

macro_rules! bind_as {
    ($rust:ty => $sql:ty) => {
        impl AsExpression<$sql> for Bind<$rust> {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl AsExpression<Nullable<$sql>> for Bind<$rust> {
            type Expression = Bound<Nullable<$sql>, Bind<Option<$rust>>>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(Bind(Some(self.0)))
            }
        }
        impl AsExpression<Nullable<$sql>> for Bind<Option<$rust>> {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<DB: Backend> ToSql<$sql, DB> for Bind<$rust>
        where
            $rust: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }
        impl<DB: Backend> ToSql<Nullable<$sql>, DB> for Bind<Option<$rust>>
        where
            $rust: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                match &self.0 {
                    Some(value) => value.to_sql(out),
                    None => Ok(IsNull::Yes),
                }
            }
        }
    };
}

bind_as!(Uuid => DbUuid);
bind_as!(DateTime<Utc> => DbTime);

impl ToSql<DbUuid, Pg> for Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <Self as ToSql<sql_types::Uuid, Pg>>::to_sql(self, out)
    }
}

impl FromSql<DbUuid, Pg> for Uuid {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <Self as FromSql<sql_types::Uuid, Pg>>::from_sql(value)
    }
}

impl ToSql<DbUuid, Sqlite> for Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl FromSql<DbUuid, Sqlite> for Uuid {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::from_slice(&<Vec<u8> as FromSql<sql_types::Binary, Sqlite>>::from_sql(value)?)?)
    }
}

impl ToSql<DbTime, Pg> for DateTime<Utc> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <Self as ToSql<sql_types::Timestamptz, Pg>>::to_sql(self, out)
    }
}

impl FromSql<DbTime, Pg> for DateTime<Utc> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <Self as FromSql<sql_types::Timestamptz, Pg>>::from_sql(value)
    }
}

impl ToSql<DbTime, Sqlite> for DateTime<Utc> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.timestamp_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<DbTime, Sqlite> for DateTime<Utc> {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<sql_types::BigInt, Sqlite>>::from_sql(value)?;
        Self::from_timestamp_micros(micros).ok_or_else(|| "a time outside the calendar".into())
    }
}

/// A value kept as the text that names it: an algorithm, an authentication method, a scope.
#[derive(AsExpression, Clone, Copy, Debug, Eq, FromSqlRow, Hash, PartialEq)]
#[diesel(sql_type = sql_types::Text)]
pub struct Spelled<T>(pub T);

impl<T: std::fmt::Debug + std::fmt::Display> ToSql<sql_types::Text, Pg> for Spelled<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        write!(out, "{}", self.0)?;
        Ok(IsNull::No)
    }
}

impl<T: std::fmt::Debug + std::fmt::Display> ToSql<sql_types::Text, Sqlite> for Spelled<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.to_string());
        Ok(IsNull::No)
    }
}

impl<T, DB> FromSql<sql_types::Text, DB> for Spelled<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
    DB: Backend,
    String: FromSql<sql_types::Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(String::from_sql(value)?.parse()?))
    }
}

/// A value kept as one JSON document: a list of scopes, a JWK, the details of an event.
#[derive(AsExpression, Clone, Debug, Deserialize, Eq, FromSqlRow, Hash, PartialEq, Serialize)]
#[diesel(sql_type = DbJson)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T: std::fmt::Debug + Serialize> ToSql<DbJson, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // jsonb's binary form is a version byte, 1, and the text.
        out.write_all(&[1])?;
        serde_json::to_writer(out, &self.0)?;
        Ok(IsNull::No)
    }
}

impl<T: DeserializeOwned> FromSql<DbJson, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes().split_first() {
            Some((1, text)) => Ok(Self(serde_json::from_slice(text)?)),
            _ => Err("a jsonb version that is not 1".into()),
        }
    }
}

impl<T: std::fmt::Debug + Serialize> ToSql<DbJson, Sqlite> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

impl<T: DeserializeOwned> FromSql<DbJson, Sqlite> for Json<T> {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_str(&<String as FromSql<sql_types::Text, Sqlite>>::from_sql(value)?)?))
    }
}
