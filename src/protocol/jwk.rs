//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2) and their thumbprints (RFC 7638).
//!
//! A [`PublicJwk`] is consistent by construction: its key type and curve are those of its algorithm, it may verify
//! signatures, and it holds no private member. Whether its numbers make an acceptable key is decided where a key is
//! built from it (`keys::verifying_key`).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The signature algorithms on offer, in the order of RFC 7518 §3.1; then RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Algorithm {
    RS256,
    ES256,
    PS256,
    EdDSA,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::RS256, Self::ES256, Self::PS256, Self::EdDSA];

    /// The `alg` value of RFC 7518 §3.1.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::PS256 => "PS256",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of RS256, ES256, PS256, EdDSA")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Exact: `alg` is case-sensitive (RFC 7515 §4.1.1).
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

/// The members that make up the key itself, each in base64url as they stand in JSON. The curve is the algorithm's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Material {
    Ec { x: String, y: String },
    Okp { x: String },
    Rsa { n: String, e: String },
}

impl Material {
    /// The key's SHA-256 thumbprint in base64url (RFC 7638 §3: the required members only, sorted, no spaces).
    pub fn thumbprint(&self) -> String {
        let members = match self {
            Self::Ec { x, y } => json!({"crv": "P-256", "kty": "EC", "x": x, "y": y}),
            Self::Okp { x } => json!({"crv": "Ed25519", "kty": "OKP", "x": x}),
            Self::Rsa { n, e } => json!({"e": e, "kty": "RSA", "n": n}),
        };
        URL_SAFE_NO_PAD.encode(digest(&SHA256, members.to_string().as_bytes()))
    }
}

/// A public signature key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct PublicJwk {
    alg: Algorithm,
    kid: String,
    material: Material,
}

impl PublicJwk {
    /// # Errors
    /// When the key type is not the one that `alg` needs.
    pub fn new(alg: Algorithm, kid: String, material: Material) -> Result<Self, InvalidJwk> {
        match (alg, &material) {
            (Algorithm::RS256 | Algorithm::PS256, Material::Rsa { .. })
            | (Algorithm::ES256, Material::Ec { .. })
            | (Algorithm::EdDSA, Material::Okp { .. }) => Ok(Self { alg, kid, material }),
            _ => Err(InvalidJwk::KeyType),
        }
    }

    /// # Errors
    /// As [`new`](Self::new); the kid is the thumbprint.
    pub fn with_thumbprint(alg: Algorithm, material: Material) -> Result<Self, InvalidJwk> {
        Self::new(alg, material.thumbprint(), material)
    }

    pub fn algorithm(&self) -> Algorithm {
        self.alg
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn material(&self) -> &Material {
        &self.material
    }
}

/// A key set (RFC 7517 §5).
impl PartialSchema for PublicJwk {
    fn schema() -> RefOr<Schema> {
        Members::schema()
    }
}

impl ToSchema for PublicJwk {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JwkSet {
    pub keys: Vec<PublicJwk>,
}

/// Why a JWK is not a public signature key of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwk {
    #[error("\"key_ops\" does not list \"verify\"")]
    KeyOps,
    #[error("\"kty\", \"crv\" and \"alg\" do not belong together, or a member of the key is missing")]
    KeyType,
    #[error("the key is a private one: publish only its public members")]
    Private,
    #[error("\"use\" is not \"sig\"")]
    Use,
}

/// A JWK as it stands in JSON. Unknown members are ignored (RFC 7517 §4), known ones may not be repeated.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
struct Members {
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    kid: Option<String>,
    alg: Option<Algorithm>,
    r#use: Option<String>,
    #[serde(skip_serializing)]
    key_ops: Option<Vec<String>>,
    /// Present in every asymmetric private key (RFC 7518 §6.2.2, §6.3.2; RFC 8037 §2).
    #[serde(skip_serializing)]
    d: Option<IgnoredAny>,
}

impl TryFrom<Members> for PublicJwk {
    type Error = InvalidJwk;

    fn try_from(members: Members) -> Result<Self, InvalidJwk> {
        if members.d.is_some() {
            return Err(InvalidJwk::Private);
        }
        if members.r#use.is_some_and(|r#use| r#use != "sig") {
            return Err(InvalidJwk::Use);
        }
        if members.key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return Err(InvalidJwk::KeyOps);
        }
        let material = match (members.kty.as_str(), members.crv.as_deref()) {
            ("EC", Some("P-256")) => members.x.zip(members.y).map(|(x, y)| Material::Ec { x, y }),
            ("OKP", Some("Ed25519")) => members.x.map(|x| Material::Okp { x }),
            ("RSA", None) => members.n.zip(members.e).map(|(n, e)| Material::Rsa { n, e }),
            _ => None,
        };
        let (Some(alg), Some(kid), Some(material)) = (members.alg, members.kid, material) else {
            return Err(InvalidJwk::KeyType);
        };
        Self::new(alg, kid, material)
    }
}

impl From<PublicJwk> for Members {
    fn from(PublicJwk { alg, kid, material }: PublicJwk) -> Self {
        let common = Self { kid: Some(kid), alg: Some(alg), r#use: Some("sig".into()), ..Self::default() };
        match material {
            Material::Ec { x, y } => {
                Self { kty: "EC".into(), crv: Some("P-256".into()), x: Some(x), y: Some(y), ..common }
            }
            Material::Okp { x } => Self { kty: "OKP".into(), crv: Some("Ed25519".into()), x: Some(x), ..common },
            Material::Rsa { n, e } => Self { kty: "RSA".into(), n: Some(n), e: Some(e), ..common },
        }
    }
}

#[cfg(test)]
mod tests;
