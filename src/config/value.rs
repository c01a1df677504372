//! The kinds of value that a setting can have: how each is read from text, described and shown.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use super::database_url::DatabaseUrl;
use crate::protocol::issuer::Issuer;
use crate::protocol::network::{Network, NetworkError};
use crate::secret::Secret;

/// A kind of value.
pub trait Setting: Sized {
    /// Whether the value is never printed.
    const SECRET: bool = false;

    /// Whether the value may be given as the path of a file that holds it.
    const FROM_FILE: bool = Self::SECRET;

    /// What to write, as the end of "expected …".
    fn expected() -> String;

    /// Reads text that is not empty. The error reads as "*the value* …" and holds nothing of a secret.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as understood, in the notation that [`parse`](Self::parse) reads; a secret without what is secret.
    fn show(&self) -> String;
}

/// A whole number between two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<const MIN: usize, const MAX: usize>(usize);

impl<const MIN: usize, const MAX: usize> Count<MIN, MAX> {
    /// The number, or the bound that is nearest.
    pub(super) fn nearest(number: usize) -> Self {
        Self(number.clamp(MIN, MAX))
    }

    pub fn get(self) -> usize {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> Setting for Count<MIN, MAX> {
    fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            Ok(_) => Err("is out of range".to_owned()),
            Err(_) => Err("is not such a number".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// How many threads the machine runs at once, as far as this process may use them.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// A setting of two words: its variants and their spelling.
macro_rules! either {
    ($(#[$meta:meta])* $name:ident { $first:ident = $first_word:literal, $second:ident = $second_word:literal }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $first, $second }

        impl $crate::config::value::Setting for $name {
            fn expected() -> String {
                concat!("`", $first_word, "` or `", $second_word, "`").to_owned()
            }

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $first_word => Ok(Self::$first),
                    $second_word => Ok(Self::$second),
                    _ => Err("is neither".to_owned()),
                }
            }

            fn show(&self) -> String {
                match self { Self::$first => $first_word, Self::$second => $second_word }.to_owned()
            }
        }
    };
}

pub(super) use either;

either! {
    /// How log lines are written: for eyes, or one JSON object a line for collectors.
    LogFormat { Text = "text", Json = "json" }
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalListen(pub Option<SocketAddr>);

impl Setting for OptionalListen {
    fn expected() -> String {
        format!("{}, or `off`", SocketAddr::expected())
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self(None)) } else { SocketAddr::parse(text).map(|address| Self(Some(address))) }
    }

    fn show(&self) -> String {
        self.0.map_or_else(|| "off".to_owned(), |address| address.to_string())
    }
}

/// A filter of log events that is known to be valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for LogFilter {
    fn expected() -> String {
        "a log filter such as `info` or `info,signet=debug`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err("is not a log filter".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Setting for Issuer {
    fn expected() -> String {
        "an https URL without query, fragment and user name (http only for a loopback host), such as \
         `https://auth.example.com`"
            .to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: <Self as std::str::FromStr>::Err| error.to_string())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for SocketAddr {
    fn expected() -> String {
        "an IP address and a port, such as `127.0.0.1:8443`, `0.0.0.0:8443` or `[::]:8443`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not an address to listen on".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for DatabaseUrl {
    const SECRET: bool = true;

    fn expected() -> String {
        "`postgres://USER:PASSWORD@HOST/DATABASE` or `sqlite:PATH`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }

    fn show(&self) -> String {
        self.without_secrets()
    }
}

impl Setting for PathBuf {
    fn expected() -> String {
        "a path".to_owned()
    }

    /// Refuses text that spans lines: it is what a path should have led to (a key, a certificate), pasted.
    fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("holds line breaks or control characters".to_owned());
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// The lines of a master key file, which `keys` understands. The file itself is a setting of its own, for its mode is
/// checked and it may be made.
#[derive(Clone, Debug)]
pub struct MasterKeyText(Secret);

impl MasterKeyText {
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl Setting for MasterKeyText {
    const SECRET: bool = true;
    const FROM_FILE: bool = false;

    fn expected() -> String {
        "what `signet master-key create` writes: one key or several, the one that seals first".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Secret::new(text)))
    }

    fn show(&self) -> String {
        "(hidden)".to_owned()
    }
}

/// Blocks of addresses, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    pub fn as_slice(&self) -> &[Network] {
        &self.0
    }
}

impl Setting for Networks {
    fn expected() -> String {
        "IP addresses or blocks of them, separated by commas, such as `10.0.0.0/8, 2001:db8::1`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let one = |network: &str| {
            network.trim().parse().map_err(|error| match error {
                NetworkError::Syntax => "is not such a list".to_owned(),
                slip @ NetworkError::HostBits(_) => format!("has `{}`, which {slip}", network.trim()),
            })
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> String {
        match &self.0[..] {
            [] => "(none)".to_owned(),
            networks => networks.iter().map(Network::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A setting that may be absent.
impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;
    const FROM_FILE: bool = T::FROM_FILE;

    fn expected() -> String {
        T::expected()
    }

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "(not set)".to_owned(), T::show)
    }
}
