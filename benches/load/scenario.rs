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
    Password,
    Introspection,
    Revocation,
    Jwks,
}

/// More than any server here answers in a second, so that a token is left to revoke until the end.
const REVOCATIONS_PER_SECOND: u64 = 8000;

impl Scenario {
    pub fn title(self) -> &'static str {
        match self {
            Self::ReferenceEs256 => "reference: bare ES256 signature",
            Self::ClientCredentialsEs256 => "client_credentials ES256",
            Self::ReferenceRs256 => "reference: bare RS256 signature",
            Self::ClientCredentialsRs256 => "client_credentials RS256",
            Self::ReferenceUpdate => "reference: bare UPDATE",
            Self::Refresh => "refresh",
            Self::Password => "password",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
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
        let address = server.address;
        let fetch =
            |(path, expected): (String, _)| Conversation::repeated(address, client::fetch(address, &path), expected);
        (0..connections).map(conversation).map(fetch).collect()
    }

    /// A fresh conversation for each of `connections`, with signet.
    /// `seconds` is how long they are to last at most.
    pub async fn with_signet(
        self,
        signet: &Instance,
        connections: usize,
        seconds: u64,
    ) -> Result<Vec<Conversation>, Failure> {
        let one = match self {
            Self::Refresh => return signet.sessions(connections).await,
            Self::Password => return Ok((0..connections).map(|number| signet.logins(number)).collect()),
            Self::Revocation => {
                let count = u32::try_from(REVOCATIONS_PER_SECOND * seconds).unwrap_or(u32::MAX);
                return signet.revocations(connections, count).await;
            }
            Self::ClientCredentialsRs256 => signet.client_credentials("RS256").await?,
            Self::Introspection => signet.introspection().await?,
            Self::Jwks => signet.jwks(),
            _ => signet.client_credentials("ES256").await?,
        };
        Ok(vec![one; connections])
    }
}
