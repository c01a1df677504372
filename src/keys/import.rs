//! Reads a private key that another issuer signed with: PEM (PKCS#1, PKCS#8, encrypted PKCS#8, SEC1) or JWK, with its kid.
//!
//! Whatever a key was written in, its numbers are checked, and it is encoded anew as keys made here are. A key that can be
//! broken (`weak`), whose halves do not belong together or which was not meant to sign is refused with the reason.

mod error;
mod jwk;
mod pem;
mod private_key;

pub use error::ImportError;

use crate::keys::ring::open_pair;
use crate::protocol::jwk::{Algorithm, PublicJwk};
use crate::secret::{Secret, SecretBytes};
use private_key::PrivateKey;

/// What the administrator says of a key that its file may not say.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// Of an encrypted PKCS#8 file.
    pub passphrase: Option<Secret>,
    /// Wins over the file's.
    pub kid: Option<String>,
    /// Must agree with the file's. An RSA key of which nobody says anything is one for RS256.
    pub algorithm: Option<Algorithm>,
}

/// A key that was found good to sign with.
#[derive(Debug)]
pub struct ImportedKey {
    /// PKCS#8 in DER.
    pub private_key: SecretBytes,
    pub public_jwk: PublicJwk,
    /// Nobody said whether an RSA key signs by RS256 or PS256.
    pub is_algorithm_assumed: bool,
}

/// A private key and what its file says of it.
struct Found {
    key: PrivateKey,
    kid: Option<String>,
    algorithm: Option<Algorithm>,
}

/// Whether a passphrase is needed to read it.
pub fn is_encrypted(file: &SecretBytes) -> bool {
    pem::is_encrypted(file.expose())
}

/// Reads the one private key of a file. Deriving the key of an encrypted one takes up to seconds: not on an async worker.
///
/// # Errors
/// When it is no private key, or not one to sign with.
pub fn read(file: &SecretBytes, stated: Stated) -> Result<ImportedKey, ImportError> {
    let text = std::str::from_utf8(file.expose()).map_err(|_| ImportError::Form)?.trim_start();
    let found = if text.starts_with('{') {
        jwk::read(text)?
    } else {
        Found { key: pem::read(text, stated.passphrase.as_ref())?, kid: None, algorithm: None }
    };
    let algorithm = algorithm(&found, stated.algorithm)?;
    let is_algorithm_assumed = found.algorithm.or(stated.algorithm).is_none() && found.key.algorithms().len() > 1;
    let private_key = found.key.into_pkcs8()?;
    let thumbprint = super::generate::public_jwk(algorithm, &private_key)?;
    let kid = stated.kid.or(found.kid).unwrap_or_else(|| thumbprint.kid().to_owned());
    if !is_acceptable_kid(&kid) {
        return Err(ImportError::Kid);
    }
    let public_jwk = PublicJwk::new(algorithm, kid, thumbprint.material().clone()).expect("a key of its own algorithm");
    let imported = ImportedKey { private_key, public_jwk, is_algorithm_assumed };
    signs_and_verifies(&imported)?;
    Ok(imported)
}

fn algorithm(found: &Found, stated: Option<Algorithm>) -> Result<Algorithm, ImportError> {
    if let (Some(file), Some(stated)) = (found.algorithm, stated)
        && file != stated
    {
        return Err(ImportError::AlgorithmOfFile { file, stated });
    }
    let possible = found.key.algorithms();
    match stated.or(found.algorithm) {
        None => Ok(possible[0]),
        Some(algorithm) if possible.contains(&algorithm) => Ok(algorithm),
        Some(algorithm) => Err(ImportError::AlgorithmOfKey { algorithm, kind: found.key.kind() }),
    }
}

/// Visible ASCII: a kid stands in token headers, logs and on command lines. Other issuers have used all of it.
fn is_acceptable_kid(kid: &str) -> bool {
    (1..=255).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The last check finds what the others cannot, such as RSA factors that are no primes.
fn signs_and_verifies(imported: &ImportedKey) -> Result<(), ImportError> {
    const MESSAGE: &[u8] = b"signet imports a key";
    let (signer, verifying) = open_pair(&imported.public_jwk, &imported.private_key)?;
    let signature = signer.sign(MESSAGE).map_err(|_| ImportError::Inconsistent)?;
    if verifying.verifies(MESSAGE, &signature) { Ok(()) } else { Err(ImportError::Inconsistent) }
}

#[cfg(test)]
mod tests;
