//! One status list: the token it comes in (draft-ietf-oauth-status-list-21 §5.1, §8.3), and its entries as bytes.

use std::io::Read as _;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::bufread::ZlibDecoder;

use super::Status;
use crate::error::JwsError;
use crate::json::{Text, object};
use crate::jws::Expected;
use crate::policy::Times;
use crate::time::{NumericDate, UnixTime};
use crate::{KeySet, Policy};

object! {
    Claims<'a> {
        iss: Text<'a> = "iss",
        sub: Text<'a> = "sub",
        exp: NumericDate = "exp",
        nbf: NumericDate = "nbf",
        iat: NumericDate = "iat",
        ttl: NumericDate = "ttl",
        status_list: Encoded<'a> = "status_list",
    }
}

object! {
    Encoded<'a> {
        bits: u8 = "bits",
        lst: Text<'a> = "lst",
    }
}

/// How much of a list is taken in.
#[derive(Clone, Copy, Debug)]
pub struct ListLimits {
    /// The longest status list token, in bytes.
    pub token: usize,
    /// The most bytes that it may decompress to. One bit an entry: eight times as many entries.
    pub decompressed: usize,
    /// For how long a list is used after it was received, whatever its `exp` allows; the only bound where it has none.
    pub age: Duration,
}

impl Default for ListLimits {
    /// 4 MiB, 16 MiB, one day.
    fn default() -> Self {
        Self { token: 4 << 20, decompressed: 16 << 20, age: Duration::from_hours(24) }
    }
}

/// Why a status list token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// Its form, its signature, or a claim that every JWT has.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Another list's token: its `sub` is not the URI that it was fetched from.
    #[error("it is the token of another list")]
    Subject,
    /// Not 1, 2, 4 or 8.
    #[error("{0} bits an entry, where 1, 2, 4 or 8 are allowed")]
    Bits(u8),
    /// `ttl` is not a positive number.
    #[error("its ttl is not a positive number")]
    Ttl,
    /// Not base64url, or not a whole zlib stream and nothing else.
    #[error("its entries are not zlib in base64url")]
    Compression,
    /// It would decompress to more than is allowed.
    #[error("its entries decompress to more than {0} bytes")]
    TooLarge(usize),
}

/// The entries of a verified status list.
#[derive(Debug)]
pub struct StatusList {
    uri: Box<str>,
    bits: u8,
    /// Atomic, so that a change that is pushed is seen by those who read, without a copy of the list for each.
    bytes: Box<[AtomicU8]>,
    issued_at: UnixTime,
    usable_until: UnixTime,
    ttl: Option<Duration>,
}

impl StatusList {
    /// Reads the token that was received, at `now`, from `uri`. Issuer, algorithms, leeway and limits are the policy's.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(token: &str, uri: &str, keys: &KeySet, policy: &Policy, now: UnixTime) -> Result<Self, ListError> {
        let limits = policy.allowed_lists();
        let expected =
            Expected { typ: "statuslist+jwt", algorithms: policy.allowed_algorithms(), longest: limits.token };
        let payload = expected.payload(token, keys)?;
        let claims: Claims<'_> = serde_json::from_str(&payload).map_err(|error| JwsError::Claims(error.to_string()))?;
        if claims.iss.is_some_and(|iss| iss.as_str() != policy.issuer()) {
            return Err(JwsError::Issuer.into());
        }
        if claims.sub.ok_or(JwsError::ClaimMissing("sub"))?.as_str() != uri {
            return Err(ListError::Subject);
        }
        let issued_at = claims.iat.ok_or(JwsError::ClaimMissing("iat"))?.floor();
        let exp = claims.exp.map(NumericDate::floor);
        // The leeway excuses clocks; a list is never used beyond its end.
        Times { exp, nbf: None, iat: None }.judge(now, Duration::ZERO)?;
        Times { exp: None, nbf: claims.nbf.map(NumericDate::ceil), iat: Some(issued_at) }
            .judge(now, policy.allowed_leeway())?;
        let ttl = match claims.ttl.map(|ttl| u64::try_from(ttl.floor().as_secs())) {
            None => None,
            Some(Ok(seconds @ 1..)) => Some(Duration::from_secs(seconds)),
            Some(_) => return Err(ListError::Ttl),
        };
        let encoded = claims.status_list.ok_or(JwsError::ClaimMissing("status_list"))?;
        let bits = encoded.bits.ok_or(JwsError::ClaimMissing("status_list.bits"))?;
        if ![1, 2, 4, 8].contains(&bits) {
            return Err(ListError::Bits(bits));
        }
        let lst = encoded.lst.ok_or(JwsError::ClaimMissing("status_list.lst"))?;
        let bytes = decompress(lst.as_str(), limits.decompressed)?;
        let bound = now.plus(limits.age);
        Ok(Self {
            uri: uri.into(),
            bits,
            bytes: bytes.into_iter().map(AtomicU8::new).collect(),
            issued_at,
            usable_until: exp.map_or(bound, |exp| exp.min(bound)),
            ttl,
        })
    }

    /// The address that it was fetched from, and that tokens name.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `iat`.
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// When it stops being believed: its `exp` or the bound of [`ListLimits::age`], whichever is first.
    pub fn usable_until(&self) -> UnixTime {
        self.usable_until
    }

    /// Whether it may be believed at `now`.
    pub fn is_usable(&self, now: UnixTime) -> bool {
        now < self.usable_until
    }

    /// After how long the issuer wants to be asked again, if it says so.
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl
    }

    /// How many tokens have a status in it.
    pub fn entries(&self) -> u64 {
        self.bytes.len() as u64 * u64::from(8 / self.bits)
    }

    /// The status at an index; `None` outside the list. Within a byte the first index is the least significant (§4.1).
    pub fn status(&self, index: u64) -> Option<Status> {
        let (byte, shift) = self.place(index)?;
        Some(Status::from((byte.load(Ordering::Relaxed) >> shift) & self.mask()))
    }

    /// Sets the status at each index of a range to [`Status::Invalid`], as a change that the issuer pushed has it. Indexes
    /// that the list does not have are passed over.
    pub fn revoke(&self, indexes: RangeInclusive<u64>) {
        let Some(last) = self.entries().checked_sub(1) else { return };
        for index in *indexes.start()..=last.min(*indexes.end()) {
            let Some((byte, shift)) = self.place(index) else { return };
            let (entry, invalid) = (self.mask() << shift, 1 << shift);
            byte.update(Ordering::Relaxed, Ordering::Relaxed, |old| old & !entry | invalid);
        }
    }

    fn place(&self, index: u64) -> Option<(&AtomicU8, u8)> {
        let per_byte = u64::from(8 / self.bits);
        let byte = self.bytes.get(usize::try_from(index / per_byte).ok()?)?;
        // Below 8.
        let shift = u8::try_from(index % per_byte).ok()? * self.bits;
        Some((byte, shift))
    }

    fn mask(&self) -> u8 {
        u8::MAX >> (8 - self.bits)
    }
}

fn decompress(lst: &str, limit: usize) -> Result<Vec<u8>, ListError> {
    let compressed = URL_SAFE_NO_PAD.decode(lst).map_err(|_| ListError::Compression)?;
    let mut decoder = ZlibDecoder::new(compressed.as_slice());
    let mut bytes = Vec::new();
    let room = limit as u64 + 1;
    decoder.by_ref().take(room).read_to_end(&mut bytes).map_err(|_| ListError::Compression)?;
    if bytes.len() > limit {
        return Err(ListError::TooLarge(limit));
    }
    if decoder.total_in() != compressed.len() as u64 {
        return Err(ListError::Compression);
    }
    Ok(bytes)
}
