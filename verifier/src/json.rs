//! JSON read strictly: no object may have a member twice, at any depth (RFC 7515 §4, RFC 7519 §4). Parsers that take the
//! first of two and parsers that take the last can be played against each other.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A string, borrowed from the JSON unless it has escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// One string, or an array of strings.
#[derive(Debug, Default)]
pub(crate) struct OneOrMany<'a>(pub(crate) Vec<Text<'a>>);

impl<'de> Deserialize<'de> for OneOrMany<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<OneOrMany<'de>, E> {
        Ok(OneOrMany(vec![Text(Cow::Borrowed(text))]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany<'de>, E> {
        Ok(OneOrMany(vec![Text(Cow::Owned(text.to_owned()))]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany<'de>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany(texts))
    }
}

/// A value that is of no interest, but must be well-formed and without repeated members.
#[derive(Debug)]
pub(crate) struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unread {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while let Some(Self) = seq.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = Names::default();
        while let Some((name, Self)) = map.next_entry()? {
            names.add(name);
        }
        names.all_different()?;
        Ok(self)
    }
}

/// The names of the members of an object.
#[derive(Default)]
pub(crate) struct Names<'a>(Vec<Text<'a>>);

impl<'a> Names<'a> {
    pub(crate) fn add(&mut self, name: Text<'a>) {
        self.0.push(name);
    }

    /// Sorts, so that a hostile object costs no more than n log n.
    pub(crate) fn all_different<E: Error>(mut self) -> Result<(), E> {
        self.0.sort_unstable();
        if self.0.windows(2).any(|pair| pair[0] == pair[1]) { Err(repeated()) } else { Ok(()) }
    }
}

pub(crate) fn repeated<E: Error>() -> E {
    E::custom("a repeated member")
}

/// Declares an object by the members that are read of it, all optional. Others are passed over, but may not be repeated
/// either.
macro_rules! object {
    ($(#[$attribute:meta])* $name:ident<$life:lifetime> { $($field:ident: $type:ty = $member:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Default)]
        pub(crate) struct $name<$life> {
            $(pub(crate) $field: Option<$type>,)*
        }

        impl<$life> serde::Deserialize<$life> for $name<$life> {
            fn deserialize<D: serde::Deserializer<$life>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;

                impl<$life> serde::de::Visitor<$life> for Members {
                    type Value = $name<$life>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a JSON object")
                    }

                    fn visit_map<A: serde::de::MapAccess<$life>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut object = $name::default();
                        let mut others = $crate::json::Names::default();
                        while let Some(name) = map.next_key::<$crate::json::Text<$life>>()? {
                            match name.as_str() {
                                $($member => {
                                    if object.$field.replace(map.next_value()?).is_some() {
                                        return Err($crate::json::repeated());
                                    }
                                })*
                                _ => {
                                    map.next_value::<$crate::json::Unread>()?;
                                    others.add(name);
                                }
                            }
                        }
                        others.all_different()?;
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(Members)
            }
        }
    };
}
pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::*;

    object! {
        Example<'a> {
            alg: Text<'a> = "alg",
            aud: OneOrMany<'a> = "aud",
        }
    }

    fn is_read(json: &str) -> bool {
        serde_json::from_str::<Example<'_>>(json).is_ok()
    }

    #[test]
    fn no_member_may_be_repeated_at_any_depth_known_or_not_however_it_is_spelled() {
        assert!(is_read(r#"{"alg":"a","x":{"y":[{"z":1}],"w":null},"aud":["b","c"],"f":1.5,"g":-1,"h":true}"#));
        for refused in [
            r#"{"alg":"a","alg":"a"}"#,
            r#"{"alg":"a","\u0061lg":"b"}"#,
            r#"{"x":1,"y":2,"x":3}"#,
            r#"{"x":1,"\u0078":3}"#,
            r#"{"x":{"y":1,"y":2}}"#,
            r#"{"x":[{"y":1,"y":2}]}"#,
        ] {
            assert!(!is_read(refused), "{refused}");
        }
    }

    #[test]
    fn types_and_form_are_strict() {
        for refused in
            [r#"{"alg":1}"#, r#"{"alg":null}"#, r#"{"aud":[1]}"#, r#"{"aud":{}}"#, "[]", "{}x", "", r#"{"a":1,}"#]
        {
            assert!(!is_read(refused), "{refused}");
        }
    }

    #[test]
    fn escapes_are_read() {
        let example: Example<'_> = serde_json::from_str(r#"{"\u0061lg":"\u0045S"}"#).unwrap();
        assert_eq!(example.alg.unwrap().as_str(), "ES");
    }
}
