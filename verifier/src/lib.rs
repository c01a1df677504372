#![deny(missing_docs)]
#![doc = include_str!("../README.md")]

mod access_token;
#[cfg(feature = "actix")]
pub mod actix;
mod algorithm;
#[cfg(feature = "client")]
mod bearer;
#[cfg(feature = "client")]
pub mod client;
mod error;
mod json;
mod jws;
mod key;
mod key_set;
mod policy;
mod status;
mod time;
#[cfg(feature = "tower")]
pub mod tower;

pub use access_token::{AccessToken, ClaimError, StatusReference};
pub use algorithm::Algorithm;
#[cfg(feature = "client")]
pub use bearer::{Denied, Scopes};
#[cfg(feature = "client")]
pub use client::Client;
pub use error::{Error, JwsError, Part, StatusUnavailable};
pub use key::{Key, KeyError};
pub use key_set::{KeySet, KeySetError};
pub use policy::{Policy, SignedToken, Unchecked};
pub use status::{ListError, ListLimits, Status, StatusList, StatusLists};
pub use time::UnixTime;
