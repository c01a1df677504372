//! What the administration can be asked, each thing once, as a type. The HTTP API serves these, the OpenAPI document
//! describes them, and the command line asks by them, here or at a server: none of the three can do what the others cannot.

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, Done, Error};

/// The method of HTTP (RFC 9110 §9, RFC 5789).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

/// The scope that an access token must have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    Read,
    Write,
    Keys,
    Events,
}

impl Access {
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Keys, Self::Events];

    pub fn scope(self) -> &'static str {
        match self {
            Self::Read => "admin:read",
            Self::Write => "admin:write",
            Self::Keys => "admin:keys",
            Self::Events => "admin:events",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::Read => "See everything that is not secret.",
            Self::Write => "Change users, clients, resource servers, settings and webhooks, and revoke.",
            Self::Keys => "Rotate, import and revoke signing keys.",
            Self::Events => "Fetch the events of a webhook.",
        }
    }
}

/// What comes with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A `Link` to the next page (RFC 8288).
    List,
    /// An `ETag`.
    Show,
    /// 201 with a `Location`. May be asked twice with one `Idempotency-Key`.
    Create,
    /// An `ETag`; refused when `If-Match` names another (RFC 9110 §13.1.1).
    Update,
    Act,
}

pub trait Operation: 'static {
    /// The type's name.
    const NAME: &'static str;
    const VERB: Verb;
    /// Below `/admin/v1`, with at most one parameter.
    const PATH: &'static str;
    const KIND: Kind;
    const ACCESS: Access;
    /// One sentence or two.
    const SUMMARY: &'static str;

    type Path: PathParameter;
    type Query: Query;
    type Body: Body;
    type Answer: Answer;

    fn perform(
        admin: &Admin,
        path: Self::Path,
        query: Self::Query,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self::Answer, Error>>;
}

/// Somebody who wants to see every operation.
pub trait Visitor {
    fn visit<O: Operation>(&mut self);
}

/// What stands in a path for one thing.
pub trait PathParameter: Sized {
    /// Its form, as JSON Schema has it: none where the path has no parameter.
    const FORMAT: Option<&'static str>;

    fn segment(&self) -> String;

    /// `None`: nothing has such a name.
    fn parse(segment: Option<String>) -> Option<Self>;
}

impl PathParameter for () {
    const FORMAT: Option<&'static str> = None;

    fn segment(&self) -> String {
        String::new()
    }

    fn parse(segment: Option<String>) -> Option<Self> {
        segment.is_none().then_some(())
    }
}

impl PathParameter for String {
    const FORMAT: Option<&'static str> = Some("");

    fn segment(&self) -> String {
        self.clone()
    }

    fn parse(segment: Option<String>) -> Option<Self> {
        segment
    }
}

impl PathParameter for Uuid {
    const FORMAT: Option<&'static str> = Some("uuid");

    fn segment(&self) -> String {
        self.to_string()
    }

    fn parse(segment: Option<String>) -> Option<Self> {
        segment?.parse().ok()
    }
}

/// The query string. A parameter that is not known is refused.
pub trait Query: Serialize + DeserializeOwned + IntoParams {}

impl<T: Serialize + DeserializeOwned + IntoParams> Query for T {}

#[derive(Clone, Copy, Debug, Default, Serialize, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// A JSON body. A member that is not known is refused.
pub trait Body: Serialize + DeserializeOwned + ToSchema {
    const EXPECTED: bool = true;
}

impl Body for () {
    const EXPECTED: bool = false;
}

/// What is answered, as JSON.
pub trait Answer: Serialize + DeserializeOwned + ToSchema {
    /// Differs when what an administrator decides of the thing differs.
    fn version(&self) -> Option<String> {
        None
    }

    /// The cursor of the next page.
    fn next(&self) -> Option<&str> {
        None
    }

    /// What the thing is called in paths.
    fn named(&self) -> Option<String> {
        None
    }

    /// Every schema that its own refers to.
    fn components(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Self::schemas(schemas);
    }
}

impl<T: Answer> Answer for Done<T> {
    fn version(&self) -> Option<String> {
        self.view.version()
    }

    fn named(&self) -> Option<String> {
        self.view.named()
    }

    fn components(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::components(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
    }
}

/// Each operation, in the words of its summary: what it is asked with, what it answers, and who carries it out.
macro_rules! operations {
    ($(
        $(#[doc = $summary:literal])+
        $name:ident = $verb:ident $path:literal ($kind:ident, $access:ident)
            |$admin:tt, $segment:tt: $segment_type:ty, $query:tt: $query_type:ty, $body:tt: $body_type:ty|
            -> $answer:ty $carry_out:block
    )+) => {
        $(
            $(#[doc = $summary])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl $crate::admin::operation::Operation for $name {
                const NAME: &'static str = stringify!($name);
                const VERB: $crate::admin::operation::Verb = $crate::admin::operation::Verb::$verb;
                const PATH: &'static str = $path;
                const KIND: $crate::admin::operation::Kind = $crate::admin::operation::Kind::$kind;
                const ACCESS: $crate::admin::operation::Access = $crate::admin::operation::Access::$access;
                const SUMMARY: &'static str = concat!($($summary),+).trim_ascii();

                type Path = $segment_type;
                type Query = $query_type;
                type Body = $body_type;
                type Answer = $answer;

                async fn perform(
                    $admin: &$crate::admin::Admin,
                    $segment: $segment_type,
                    $query: $query_type,
                    $body: $body_type,
                ) -> Result<$answer, $crate::admin::Error> $carry_out
            }
        )+

        pub(super) fn each(visitor: &mut impl $crate::admin::operation::Visitor) {
            $(visitor.visit::<$name>();)+
        }
    };
}
pub(super) use operations;
