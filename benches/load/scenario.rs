//! What is measured: requests to signet, and the references that say what the machine gives at most.

use crate::client;
use crate::conversation::{Conversation, Expected};
use crate::failure::Failure;
use crate::instance::Instance;
use crate::server::Server;

/// In the order of measuring: a reference stands right before what is compared with it, so that both see the machine
/// in the same state.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub enum Scenario {
    ReferenceEs256,
    ClientCredentialsEs256,
    ReferenceRs256,
    ClientCredentialsRs256,
    ReferenceUpdate,
    Refresh,
    Introspection,
    Jwks,
}

impl Scenario {
    pub fn title(self) -> &'static str {
        match self {
            Self::ReferenceEs256 => "reference: bare ES256 signature",
            Self::ClientCredentialsEs256 => "client_credentials ES256",
            Self::ReferenceRs256 => "reference: bare RS256 signature",
            Self::ClientCredentialsRs256 => "client_credentials RS256",
            Self::ReferenceUpdate => "reference: bare UPDATE",
            Self::Refresh => "refresh",
            Self::Introspection => "introspection",
            Self::Jwks => "JWKS",
        }
    }

    /// What it is compared with.
    pub fn reference(self) -> Option<Self> {
        match self {
            Self::ClientCredentialsEs256 => Some(Self::ReferenceEs256),
            Self::ClientCredentialsRs256 => Some(Self::ReferenceRs256),
            Self::Refresh => Some(Self::ReferenceUpdate),
            _ => None,
        }
    }

    /// The least share of its reference's requests per second that is good enough.
    pub fn target(self) -> Option<f64> {
        match self {
            Self::ClientCredentialsRs256 => Some(0.80),
            Self::Refresh => Some(1.0 / 1.5),
            _ => None,
        }
    }

    pub fn is_reference(self) -> bool {
        matches!(self, Self::ReferenceEs256 | Self::ReferenceRs256 | Self::ReferenceUpdate)
    }

    /// A fresh conversation for each of `connections`, with a reference server.
    pub fn with_reference(self, server: &Server, connections: usize) -> Vec<Conversation> {
        let signature = Expected { member: "signature", value: "\"" };
        let generation = Expected { member: "generation", value: "" };
        let conversation = |connection| match self {
            Self::ReferenceRs256 => ("/rs256".to_owned(), signature),
            Self::ReferenceUpdate => (format!("/update/{connection}"), generation),
            _ => ("/es256".to_owned(), signature),
        };
        let fetch =
            |(path, expected): (String, _)| Conversation::repeated(client::fetch(server.address, &path), expected);
        (0..connections).map(conversation).map(fetch).collect()
    }

    /// A fresh conversation for each of `connections`, with signet.
    pub async fn with_signet(self, signet: &Instance, connections: usize) -> Result<Vec<Conversation>, Failure> {
        let one = match self {
            Self::Refresh => return signet.sessions(connections).await,
            Self::ClientCredentialsRs256 => signet.client_credentials("RS256").await?,
            Self::Introspection => signet.introspection().await?,
            Self::Jwks => signet.jwks(),
            _ => signet.client_credentials("ES256").await?,
        };
        Ok(vec![one; connections])
    }
}
