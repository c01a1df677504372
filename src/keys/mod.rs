//! Signing keys and the master key that seals them: make, seal, open, sign, verify, and say when which key signs.
//!
//! Private keys are visible only here. Nothing here knows HTTP, or what a token means.

pub mod export;
pub mod generate;
pub mod import;
mod issuer_secrets;
mod jwks_document;
pub mod jws;
mod keyring;
pub mod lifecycle;
pub mod master;
pub mod reseal;
pub mod ring;
pub mod roca;
pub mod seal;
pub mod signer;
pub mod verify;
pub mod verifying_key;
pub mod weak;

pub use generate::{GenerateError, GeneratedKey, generate};
pub use issuer_secrets::{IssuerSecrets, RefreshTokenParts, SecretsError};
pub use jws::Typ;
pub use keyring::{Activation, Admission, Keys, KeysError, PreparedKey, Revocation, RevokedKey, Role, Staged};
pub use lifecycle::State;
pub use signer::SignError;
pub use verify::{Reject, UnverifiedToken};

#[cfg(test)]
mod vectors;
