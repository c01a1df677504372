//! Which certificate TLS shows: the one in two files, which may be replaced while signet serves, or one that is ordered
//! from a certificate authority and renewed (ACME, RFC 8555). Listeners stay as they are when it changes, and so do
//! connections: a handshake takes what there is when it begins.

pub mod acme;
mod files;
mod held;
mod shown;

pub use files::{Files, FilesError};
pub use held::{Held, Unusable};
pub use shown::{Challenges, Shown};

use std::sync::Arc;

use rustls::ServerConfig;

/// The protocol by which an authority asks for a challenge's certificate (RFC 8737 §6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// TLS 1.2 and 1.3 with rustls's defaults: ECDHE and AEAD only.
///
/// # Errors
/// When the cryptographic library offers neither version, which no build of it does.
pub fn server_config(shown: Arc<Shown>) -> Result<ServerConfig, rustls::Error> {
    let answers_challenges = shown.answers_challenges();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    if answers_challenges {
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
    }
    Ok(config)
}
