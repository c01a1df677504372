//! Private keys as JSON (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), alone or as the one key of a set.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::private_key::{Number, PrivateKey, RsaNumbers, RsaPrimes};
use super::{Found, ImportError};
use crate::protocol::jwk::Algorithm;
use crate::secret::Secret;

/// Unknown members are ignored (RFC 7517 §4), known ones may not be repeated.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members {
    /// Of a set: then there is nothing else.
    keys: Option<Vec<Members>>,
    kty: Option<String>,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<Private>,
    p: Option<Private>,
    q: Option<Private>,
    dp: Option<Private>,
    dq: Option<Private>,
    qi: Option<Private>,
    oth: Option<serde::de::IgnoredAny>,
}

/// A member that is wiped.
struct Private(Secret);

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

pub(super) fn read(json: &str) -> Result<Found, ImportError> {
    // The parser's own message repeats what it stumbled over.
    let parsed: Members =
        serde_json::from_str(json).map_err(|error| ImportError::Json { line: error.line(), column: error.column() })?;
    match parsed.keys {
        None => found(parsed),
        Some(mut keys) if keys.len() == 1 => found(keys.remove(0)),
        Some(keys) => Err(ImportError::Several(keys.len())),
    }
}

fn found(members: Members) -> Result<Found, ImportError> {
    if members.kty.as_deref() == Some("oct") {
        return Err(ImportError::Symmetric);
    }
    if members.r#use.as_ref().is_some_and(|r#use| r#use != "sig") {
        return Err(ImportError::Use);
    }
    if members.d.is_none() {
        return Err(ImportError::PublicOnly);
    }
    if members.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "sign")) {
        return Err(ImportError::KeyOps);
    }
    let alg = members.alg.as_ref().map(|alg| alg.parse::<Algorithm>()).transpose();
    let algorithm = alg.map_err(|_| ImportError::AlgorithmUnknown)?;
    let key = match (members.kty.as_deref(), members.crv.as_deref()) {
        (Some("EC"), Some("P-256")) => PrivateKey::Ec {
            scalar: private("d", members.d.as_ref(), Some(32))?,
            // SEC 1 §2.3.3: 0x04 ‖ x ‖ y.
            point: Some([vec![4], public("x", members.x, Some(32))?, public("y", members.y, Some(32))?].concat()),
        },
        (Some("EC"), _) => return Err(ImportError::KeyType("an EC key on another curve")),
        (Some("OKP"), Some("Ed25519")) => PrivateKey::Ed25519 {
            seed: private("d", members.d.as_ref(), Some(32))?,
            public_key: Some(public("x", members.x, Some(32))?),
        },
        (Some("RSA"), None) => PrivateKey::Rsa(rsa(&members)?),
        (Some(_), _) => return Err(ImportError::KeyType("of another type")),
        (None, _) => return Err(ImportError::JwkMember("kty")),
    };
    Ok(Found { key, kid: members.kid, algorithm })
}

fn rsa(members: &Members) -> Result<RsaNumbers, ImportError> {
    if members.oth.is_some() {
        return Err(ImportError::MultiPrime);
    }
    let crt = [&members.p, &members.q, &members.dp, &members.dq, &members.qi];
    // All or none (RFC 7518 §6.3.2).
    let primes = if crt.iter().all(|number| number.is_none()) {
        None
    } else {
        Some(RsaPrimes {
            p: private("p", members.p.as_ref(), None)?,
            q: private("q", members.q.as_ref(), None)?,
            dp: private("dp", members.dp.as_ref(), None)?,
            dq: private("dq", members.dq.as_ref(), None)?,
            qi: private("qi", members.qi.as_ref(), None)?,
        })
    };
    Ok(RsaNumbers {
        n: public("n", members.n.clone(), None)?,
        e: public("e", members.e.clone(), None)?,
        d: private("d", members.d.as_ref(), None)?,
        primes,
    })
}

fn public(name: &'static str, value: Option<String>, length: Option<usize>) -> Result<Vec<u8>, ImportError> {
    let bytes = value.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.filter(|bytes| length.is_none_or(|length| bytes.len() == length)).ok_or(ImportError::JwkMember(name))
}

fn private(name: &'static str, value: Option<&Private>, length: Option<usize>) -> Result<Number, ImportError> {
    let bytes = value.and_then(|Private(text)| URL_SAFE_NO_PAD.decode(text.expose()).ok()).map(Zeroizing::new);
    bytes.filter(|bytes| length.is_none_or(|length| bytes.len() == length)).ok_or(ImportError::JwkMember(name))
}
