//! The claims of an access token that was found good (RFC 9068 §2.2).

use serde::de::DeserializeOwned;

use crate::error::JwsError;
use crate::json::{OneOrMany, Text, object};
use crate::time::{NumericDate, UnixTime};

object! {
    /// As they stand in the payload.
    Claims<'a> {
        iss: Text<'a> = "iss",
        sub: Text<'a> = "sub",
        aud: OneOrMany<'a> = "aud",
        exp: NumericDate = "exp",
        nbf: NumericDate = "nbf",
        iat: NumericDate = "iat",
        jti: Text<'a> = "jti",
        client_id: Text<'a> = "client_id",
        scope: Text<'a> = "scope",
        auth_time: NumericDate = "auth_time",
        status: StatusClaim<'a> = "status",
    }
}

object! {
    StatusClaim<'a> {
        status_list: StatusListReference<'a> = "status_list",
    }
}

object! {
    StatusListReference<'a> {
        idx: u64 = "idx",
        uri: Text<'a> = "uri",
    }
}

/// A verified access token. Nothing but a successful verification makes one.
#[derive(Clone, Debug)]
pub struct AccessToken {
    sub: Box<str>,
    client_id: Box<str>,
    scope: Box<str>,
    aud: Vec<Box<str>>,
    jti: Box<str>,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: Option<UnixTime>,
    pub(crate) status: Option<StatusReference>,
    pub(crate) status_was_checked: bool,
    payload: String,
}

/// Where the status of a token stands (Token Status List §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReference {
    /// The address of the list.
    pub uri: Box<str>,
    /// The entry.
    pub index: u64,
}

/// Why [`AccessToken::claim`] has nothing to give.
#[derive(Debug, thiserror::Error)]
#[error("the claim is not of the expected type: {0}")]
pub struct ClaimError(#[from] serde_json::Error);

impl AccessToken {
    /// Takes over what was read; the claims that RFC 9068 §2.2 demands must be there.
    pub(crate) fn new(claims: &Claims<'_>, exp: UnixTime) -> Result<Self, JwsError> {
        let iat = claims.iat.ok_or(JwsError::ClaimMissing("iat"))?.floor();
        let status = match claims.status.as_ref().and_then(|status| status.status_list.as_ref()) {
            None => None,
            Some(reference) => Some(StatusReference {
                uri: required(reference.uri.as_ref(), "status.status_list.uri")?,
                index: reference.idx.ok_or(JwsError::ClaimMissing("status.status_list.idx"))?,
            }),
        };
        Ok(Self {
            sub: required(claims.sub.as_ref(), "sub")?,
            client_id: required(claims.client_id.as_ref(), "client_id")?,
            scope: claims.scope.as_ref().map_or("", Text::as_str).into(),
            aud: claims.aud.iter().flat_map(|aud| &aud.0).map(|aud| aud.as_str().into()).collect(),
            jti: required(claims.jti.as_ref(), "jti")?,
            exp,
            iat,
            auth_time: claims.auth_time.map(NumericDate::floor),
            status,
            status_was_checked: false,
            payload: String::new(),
        })
    }

    /// What the claims were read from.
    pub(crate) fn take_payload(&mut self, payload: String) {
        self.payload = payload;
    }

    /// The user, or the client where it acts for itself.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// The client that the token was issued to.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The `scope` claim as it stands; empty where there is none.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Each scope of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether this very scope is among the token's.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }

    /// Every audience of the token; one of them is this API's.
    pub fn aud(&self) -> impl Iterator<Item = &str> {
        self.aud.iter().map(AsRef::as_ref)
    }

    /// The token's own identifier.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// When it was issued.
    pub fn iat(&self) -> UnixTime {
        self.iat
    }

    /// When it expires.
    pub fn exp(&self) -> UnixTime {
        self.exp
    }

    /// When the user last proved who they are, if the token says so.
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.auth_time
    }

    /// Where its status stands, if it says so.
    pub fn status(&self) -> Option<&StatusReference> {
        self.status.as_ref()
    }

    /// Whether a status list was asked and said that the token is valid. It was not where the policy let pass a token
    /// without a status, or one whose list could not be had.
    pub fn status_was_checked(&self) -> bool {
        self.status_was_checked
    }

    /// Another claim of the token; `None` where it has no such claim. Each call reads the payload again.
    ///
    /// # Errors
    /// When the claim is not a `T`.
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClaimError> {
        let mut claims: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&self.payload)?;
        Ok(claims.remove(name).map(serde_json::from_value).transpose()?)
    }

    /// The payload: a JSON object without repeated members.
    pub fn payload(&self) -> &str {
        &self.payload
    }
}

fn required(claim: Option<&Text<'_>>, name: &'static str) -> Result<Box<str>, JwsError> {
    claim.map(|text| text.as_str().into()).ok_or(JwsError::ClaimMissing(name))
}
