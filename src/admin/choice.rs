//! A value of its own, or what holds for all: how a change sets a column that may be absent. In JSON the latter is `null`, as
//! a merge patch has it (RFC 7396).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice<T> {
    Default,
    Own(T),
}

impl<T> Choice<T> {
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Own(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Choice<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_none(),
            Self::Own(value) => value.serialize(serializer),
        }
    }
}

/// Reads a member that is there: `null` and a value both are a choice. (An absent one is left out by `default`.)
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Choice<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(|value| Some(value.map_or(Choice::Default, Choice::Own)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::admin::Choice;
    use crate::admin::clients::ClientChange;

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let read = |text: serde_json::Value| serde_json::from_value::<ClientChange>(text).unwrap();
        assert_eq!(read(json!({})).access_token_lifetime, None);
        assert_eq!(read(json!({ "access_token_lifetime": null })).access_token_lifetime, Some(Choice::Default));
        assert_eq!(read(json!({ "access_token_lifetime": 60 })).access_token_lifetime, Some(Choice::Own(60)));
        for change in [json!({}), json!({ "access_token_lifetime": null }), json!({ "access_token_lifetime": 60 })] {
            assert_eq!(serde_json::to_value(read(change.clone())).unwrap(), change, "it is written as it is read");
        }
    }
}
