//! Client metadata (RFC 7591 §2): authentication methods, grant types, what a `client_id` may be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
        pub enum $type {
            $(#[serde(rename = $name)] $variant,)+
        }

        impl $type {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let names = Some([$($name,)+]);
                utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).enum_values(names).into()
            }
        }

        impl utoipa::ToSchema for $type {}

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = $crate::protocol::client::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::protocol::client::UnknownName(&[$($name,)+])),
                }
            }
        }
    };
}
pub(super) use names;

/// None of the names there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be one of {}", .0.join(", "))]
pub struct UnknownName(pub(super) &'static [&'static str]);

names! {
    /// How a client authenticates at the token endpoint (RFC 7591 §2).
    AuthMethod {
        ClientSecretBasic = "client_secret_basic",
        ClientSecretPost = "client_secret_post",
        None = "none",
    }
}

names! {
    /// The `grant_type` parameter. `password` is a legacy grant (RFC 9700 §2.4): no client has it unless listed.
    GrantType {
        ClientCredentials = "client_credentials",
        Password = "password",
        RefreshToken = "refresh_token",
    }
}

/// Whether a new client may have this identifier: 1 to 200 printable ASCII characters (RFC 6749 appendix A.1), and not
/// a UUID, since users have those as `sub` and a client's `sub` is its `client_id` (RFC 9068 §2.2).
///
/// # Errors
/// What is wrong, as a sentence's end.
pub fn check_client_id(client_id: &str) -> Result<(), &'static str> {
    if client_id.is_empty() || client_id.len() > 200 {
        return Err("must have 1 to 200 characters");
    }
    if !client_id.bytes().all(|byte| (0x21..=0x7E).contains(&byte)) {
        return Err("must be printable ASCII without spaces (RFC 6749 appendix A.1)");
    }
    if uuid::Uuid::try_parse(client_id).is_ok() {
        return Err("must not be a UUID: a client's `sub` could then be taken for a user's");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for method in AuthMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(*method));
        }
        let message = "implicit".parse::<GrantType>().unwrap_err().to_string();
        assert_eq!(message, "must be one of client_credentials, password, refresh_token");
    }

    #[test]
    fn a_client_id_is_never_a_users_subject() {
        assert!(check_client_id("67e55044-10b1-426f-9247-bb680e5fe0c8").is_err());
        assert!(check_client_id("67E5504410B1426F9247BB680E5FE0C8").is_err());
        assert!(check_client_id("a b").is_err());
        assert_eq!(check_client_id("erp:import"), Ok(()));
    }
}
