//! How the values of columns are written that JSON has no kind for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;

use crate::store::Spelled;

/// Bytes in base64.
pub(super) mod binary {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::*;

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }

    pub mod optional {
        use super::*;

        pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
            bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| STANDARD.decode(text)).transpose().map_err(D::Error::custom)
        }
    }
}

/// A value by the text that names it, as the database keeps it.
pub(super) mod spelled {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::*;

    pub fn serialize<T: Display, S: Serializer>(value: &Spelled<T>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&value.0)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Spelled<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map(Spelled).map_err(D::Error::custom)
    }

    pub mod optional {
        use super::*;

        pub fn serialize<T: Display, S: Serializer>(
            value: &Option<Spelled<T>>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            value.as_ref().map(|value| value.0.to_string()).serialize(serializer)
        }

        pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Spelled<T>>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map(Spelled)).transpose().map_err(D::Error::custom)
        }
    }
}
