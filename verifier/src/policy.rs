//! What an API demands of an access token (RFC 9068 §4), and the verification: pure, without a clock and without waiting.

use std::time::Duration;

use crate::access_token::{AccessToken, Claims};
use crate::error::{Error, JwsError, StatusUnavailable};
use crate::jws::Expected;
use crate::status::{ListLimits, Status, StatusList, StatusLists};
use crate::time::UnixTime;
use crate::{Algorithm, KeySet};

/// The longest access token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Clocks that differ by more want mending, not leeway.
const MOST_LEEWAY: Duration = Duration::from_mins(1);

/// What is done with a token whose status cannot be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unchecked {
    /// It is refused.
    #[default]
    Refuse,
    /// It is accepted, and [`AccessToken::status_was_checked`] says that nobody was asked.
    Accept,
}

/// What an API demands of an access token.
#[derive(Clone, Debug)]
pub struct Policy {
    issuer: Box<str>,
    audiences: Vec<Box<str>>,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    without_status: Unchecked,
    without_list: Unchecked,
    lists: ListLimits,
}

/// A token whose signature and claims hold, and whose status has not been asked for.
#[derive(Clone, Debug)]
pub struct SignedToken(AccessToken);

impl SignedToken {
    /// Where its status stands, if it says so.
    pub fn status(&self) -> Option<&crate::StatusReference> {
        self.0.status.as_ref()
    }
}

impl Policy {
    /// Tokens of this issuer for this API, by any algorithm of [`Algorithm::ALL`]; no leeway; a token without a status,
    /// or whose list cannot be had, is refused.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            algorithms: Algorithm::ALL.to_vec(),
            leeway: Duration::ZERO,
            without_status: Unchecked::Refuse,
            without_list: Unchecked::Refuse,
            lists: ListLimits::default(),
        }
    }

    /// Another name that this API goes by.
    #[must_use]
    pub fn or_audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The only algorithms that are accepted.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// How far this clock and the issuer's may differ. More than a minute counts as a minute.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(MOST_LEEWAY);
        self
    }

    /// What is done with a token that has no `status.status_list` claim.
    #[must_use]
    pub fn without_status(mut self, unchecked: Unchecked) -> Self {
        self.without_status = unchecked;
        self
    }

    /// What is done with a token whose status list is not there or has expired. `Accept` trades revocation for
    /// availability.
    #[must_use]
    pub fn without_list(mut self, unchecked: Unchecked) -> Self {
        self.without_list = unchecked;
        self
    }

    /// How much of a status list is taken in, and for how long it is used.
    #[must_use]
    pub fn list_limits(mut self, limits: ListLimits) -> Self {
        self.lists = limits;
        self
    }

    /// The `iss` that is demanded.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn allowed_algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    pub(crate) fn allowed_lists(&self) -> &ListLimits {
        &self.lists
    }

    pub(crate) fn allowed_leeway(&self) -> Duration {
        self.leeway
    }

    /// Whether a token is refused where its list cannot be had.
    #[cfg(feature = "client")]
    pub(crate) fn demands_list(&self) -> bool {
        self.without_list == Unchecked::Refuse
    }

    /// Everything: form, type, algorithm, key, signature, claims, status.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, token: &str, keys: &KeySet, lists: &StatusLists, now: UnixTime) -> Result<AccessToken, Error> {
        let signed = self.verify_signed(token, keys, now)?;
        let list = signed.status().and_then(|reference| lists.find(&reference.uri));
        self.check_status(signed, list.map(AsRef::as_ref), now)
    }

    /// The first half of [`verify`](Self::verify): everything but the status.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify_signed(&self, token: &str, keys: &KeySet, now: UnixTime) -> Result<SignedToken, Error> {
        let expected = Expected { typ: "at+jwt", algorithms: &self.algorithms, longest: LONGEST_TOKEN };
        let payload = expected.payload(token, keys)?;
        let claims: Claims<'_> = serde_json::from_str(&payload).map_err(|error| JwsError::Claims(error.to_string()))?;
        let iss = claims.iss.as_ref().ok_or(JwsError::ClaimMissing("iss"))?;
        if iss.as_str() != &*self.issuer {
            return Err(JwsError::Issuer.into());
        }
        let aud = claims.aud.as_ref().ok_or(JwsError::ClaimMissing("aud"))?;
        if !aud.0.iter().any(|aud| self.audiences.iter().any(|ours| **ours == *aud.as_str())) {
            return Err(Error::Audience);
        }
        let exp = claims.exp.ok_or(JwsError::ClaimMissing("exp"))?.floor();
        let times =
            Times { exp: Some(exp), nbf: claims.nbf.map(|nbf| nbf.ceil()), iat: claims.iat.map(|iat| iat.floor()) };
        times.judge(now, self.leeway)?;
        // The strings are copied out of the payload, which then moves in beside them.
        let mut token = AccessToken::new(&claims, exp)?;
        drop(claims);
        token.take_payload(payload);
        Ok(SignedToken(token))
    }

    /// The second half of [`verify`](Self::verify), with the list that the token names, if it is at hand.
    ///
    /// # Errors
    /// When the token is revoked, or the policy demands a status that cannot be had.
    pub fn check_status(
        &self,
        signed: SignedToken,
        list: Option<&StatusList>,
        now: UnixTime,
    ) -> Result<AccessToken, Error> {
        let SignedToken(mut token) = signed;
        let Some(reference) = &token.status else {
            return match self.without_status {
                Unchecked::Accept => Ok(token),
                Unchecked::Refuse => Err(Error::NoStatus),
            };
        };
        let usable = match list.filter(|list| list.uri() == &*reference.uri) {
            None => Err(StatusUnavailable::Missing),
            Some(list) if list.is_usable(now) => Ok(list),
            Some(_) => Err(StatusUnavailable::Expired),
        };
        let list = match (usable, self.without_list) {
            (Ok(list), _) => list,
            (Err(_), Unchecked::Accept) => return Ok(token),
            (Err(why), Unchecked::Refuse) => return Err(Error::StatusUnavailable(why)),
        };
        let index = reference.index;
        match list.status(index).ok_or_else(|| Error::StatusIndex { index, entries: list.entries() })? {
            Status::Valid => {}
            Status::Invalid => return Err(Error::Revoked),
            Status::Suspended => return Err(Error::Suspended),
            Status::Other(value) => return Err(Error::UnknownStatus(value)),
        }
        token.status_was_checked = true;
        Ok(token)
    }
}

/// The times of a JWT (RFC 7519 §4.1.4 to §4.1.6).
pub(crate) struct Times {
    pub(crate) exp: Option<UnixTime>,
    pub(crate) nbf: Option<UnixTime>,
    pub(crate) iat: Option<UnixTime>,
}

impl Times {
    pub(crate) fn judge(&self, now: UnixTime, leeway: Duration) -> Result<(), JwsError> {
        if let Some(exp) = self.exp
            && now >= exp.plus(leeway)
        {
            return Err(JwsError::Expired(now.as_secs().saturating_sub(exp.as_secs())));
        }
        if let Some(nbf) = self.nbf
            && now.plus(leeway) < nbf
        {
            return Err(JwsError::NotYetValid(nbf.as_secs().saturating_sub(now.as_secs())));
        }
        if let Some(iat) = self.iat
            && now.plus(leeway) < iat
        {
            return Err(JwsError::IssuedInFuture(iat.as_secs().saturating_sub(now.as_secs())));
        }
        Ok(())
    }
}
