//! The schemes of other systems: what each computes, and what one hash may cost at most, in time and in memory.
//!
//! The bounds are chosen so that a hash takes a second or so of one core at most, as measured in `docs/user-import.md`.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use argon2::{Algorithm, Version};
use aws_lc_rs::{digest, pbkdf2};
use zeroize::Zeroizing;

use super::text::numbers;
use crate::password::arena::Arena;
use crate::password::hash::{OutOfBounds, Parameters};

/// 256 MiB a hash.
const MAX_MEMORY_KIB: u64 = 256 * 1024;
/// Memory times how often it is gone through: 1 GiB for Argon2, 512 MiB for scrypt.
const MAX_ARGON2_KIB: u64 = 1024 * 1024;
const MAX_SCRYPT_KIB: u64 = 512 * 1024;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// Times the digests that the output is long. SHA-512 takes more than twice as long as the others.
const MAX_PBKDF2_ITERATIONS: u64 = 5_000_000;
const MAX_PBKDF2_SHA512_ITERATIONS: u64 = 2_000_000;
const MAX_SHA_CRYPT_ROUNDS: u32 = 1_000_000;

/// bcrypt looks at no more of a password and the NUL behind it.
const BCRYPT_BYTES: usize = 72;

/// Why a hash that was read is not one to verify at a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("has a salt of {0} bytes, which its scheme does not have")]
    Salt(usize),
    #[error("has an output of {0} bytes, which its scheme does not have")]
    Output(usize),
    #[error("has parameters that its scheme does not have: {0}")]
    Argon2(#[from] OutOfBounds),
    #[error("has parameters that its scheme does not have")]
    Parameters,
    #[error("needs {0} KiB of memory, where {MAX_MEMORY_KIB} are allowed")]
    Memory(u64),
    #[error("would keep a login too long: its {what} is {is}, where {max} is allowed")]
    Time { what: &'static str, is: u64, max: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    pub fn bytes(self) -> usize {
        self.algorithm().output_len()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// A scheme with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Argon2(Algorithm, Version, Parameters),
    Bcrypt {
        cost: u32,
    },
    Pbkdf2(Digest, NonZeroU32),
    /// LDAP's `{SSHA}`: the digest of the password and the salt behind it.
    Salted(Digest),
    Scrypt {
        log_n: u32,
        r: u32,
        p: u32,
    },
    Sha256Crypt {
        rounds: u32,
    },
    Sha512Crypt {
        rounds: u32,
    },
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2(variant, ..) => variant.as_str(),
            Self::Bcrypt { .. } => "bcrypt",
            Self::Pbkdf2(Digest::Sha1, _) => "pbkdf2-sha1",
            Self::Pbkdf2(Digest::Sha256, _) => "pbkdf2-sha256",
            Self::Pbkdf2(Digest::Sha512, _) => "pbkdf2-sha512",
            Self::Salted(Digest::Sha1) => "ssha",
            Self::Salted(Digest::Sha256) => "ssha256",
            Self::Salted(Digest::Sha512) => "ssha512",
            Self::Scrypt { .. } => "scrypt",
            Self::Sha256Crypt { .. } => "sha256-crypt",
            Self::Sha512Crypt { .. } => "sha512-crypt",
        }
    }

    /// As [`parse`](Self::parse) reads them.
    pub fn parameters(self) -> String {
        let mut text = String::new();
        let written = match self {
            Self::Argon2(_, version, of) => {
                let (m, t, p) = (of.memory_kib(), of.iterations(), of.parallelism());
                write!(text, "v={},m={m},t={t},p={p}", u32::from(version))
            }
            Self::Bcrypt { cost } => write!(text, "c={cost}"),
            Self::Pbkdf2(_, iterations) => write!(text, "i={iterations}"),
            Self::Salted(_) => Ok(()),
            Self::Scrypt { log_n, r, p } => write!(text, "ln={log_n},r={r},p={p}"),
            Self::Sha256Crypt { rounds } | Self::Sha512Crypt { rounds } => write!(text, "r={rounds}"),
        };
        written.expect("a String takes all");
        text
    }

    pub fn parse(name: &str, parameters: &str) -> Option<Self> {
        let one = |name| numbers(parameters, [name]).map(|[number]| number);
        let pbkdf2 = |digest| Some(Self::Pbkdf2(digest, NonZeroU32::new(one("i")?)?));
        let salted = |digest| parameters.is_empty().then_some(Self::Salted(digest));
        match name {
            "argon2d" | "argon2i" | "argon2id" => {
                let [version, m, t, p] = numbers(parameters, ["v", "m", "t", "p"])?;
                let of = Parameters::new(m, t, p).ok()?;
                Some(Self::Argon2(Algorithm::new(name).ok()?, Version::try_from(version).ok()?, of))
            }
            "bcrypt" => one("c").map(|cost| Self::Bcrypt { cost }),
            "pbkdf2-sha1" => pbkdf2(Digest::Sha1),
            "pbkdf2-sha256" => pbkdf2(Digest::Sha256),
            "pbkdf2-sha512" => pbkdf2(Digest::Sha512),
            "ssha" => salted(Digest::Sha1),
            "ssha256" => salted(Digest::Sha256),
            "ssha512" => salted(Digest::Sha512),
            "scrypt" => numbers(parameters, ["ln", "r", "p"]).map(|[log_n, r, p]| Self::Scrypt { log_n, r, p }),
            "sha256-crypt" => one("r").map(|rounds| Self::Sha256Crypt { rounds }),
            "sha512-crypt" => one("r").map(|rounds| Self::Sha512Crypt { rounds }),
            _ => None,
        }
    }

    pub fn min_salt_bytes(self) -> usize {
        match self {
            Self::Argon2(..) => 8,
            Self::Bcrypt { .. } => 16,
            _ => 1,
        }
    }

    /// Where the scheme leaves no choice.
    pub fn output_bytes(self) -> Option<usize> {
        match self {
            Self::Bcrypt { .. } => Some(23),
            Self::Salted(digest) => Some(digest.bytes()),
            Self::Sha256Crypt { .. } => Some(32),
            Self::Sha512Crypt { .. } => Some(64),
            Self::Argon2(..) | Self::Pbkdf2(..) | Self::Scrypt { .. } => None,
        }
    }

    /// Whether a login can bear it.
    pub fn check(self, output_bytes: usize) -> Result<(), Unusable> {
        let memory = |kib: u64| if kib <= MAX_MEMORY_KIB { Ok(()) } else { Err(Unusable::Memory(kib)) };
        let time = |what, is, max| if is <= max { Ok(()) } else { Err(Unusable::Time { what, is, max }) };
        match self {
            Self::Argon2(_, _, of) => {
                memory(of.memory_kib().into())?;
                let work = u64::from(of.memory_kib()) * u64::from(of.iterations());
                time("memory times iterations, in KiB,", work, MAX_ARGON2_KIB)
            }
            Self::Bcrypt { cost } if cost < *BCRYPT_COSTS.start() => Err(Unusable::Parameters),
            Self::Bcrypt { cost } => time("cost", cost.into(), (*BCRYPT_COSTS.end()).into()),
            Self::Pbkdf2(digest, iterations) => {
                let work = u64::from(iterations.get()) * output_bytes.div_ceil(digest.bytes()) as u64;
                let max = if digest == Digest::Sha512 { MAX_PBKDF2_SHA512_ITERATIONS } else { MAX_PBKDF2_ITERATIONS };
                time("number of iterations, times the digests in the output,", work, max)
            }
            Self::Salted(_) => Ok(()),
            Self::Scrypt { log_n, r, p } => {
                if log_n == 0 || log_n > 40 || r == 0 || p == 0 || u64::from(r) * u64::from(p) > 1 << 13 {
                    return Err(Unusable::Parameters);
                }
                let block = u64::from(r).div_ceil(8);
                memory((1 << log_n) * block)?;
                time("memory times parallelism, in KiB,", (1 << log_n) * block * u64::from(p), MAX_SCRYPT_KIB)
            }
            Self::Sha256Crypt { rounds } | Self::Sha512Crypt { rounds } => {
                sha_crypt::Params::new(rounds).map_err(|_| Unusable::Parameters)?;
                time("number of rounds", rounds.into(), MAX_SHA_CRYPT_ROUNDS.into())
            }
        }
    }

    /// Fills `output`. False where no hash of this scheme can have been made of the whole password: those of crypt(3)
    /// end at a NUL.
    ///
    /// # Panics
    /// When the scheme was not [checked](Self::check).
    pub fn compute(self, (password, salt): (&[u8], &[u8]), output: &mut [u8], arena: &mut Arena) -> bool {
        let has_nul = password.contains(&0);
        match self {
            Self::Argon2(variant, version, of) => arena.argon2((variant, version), of, (password, salt), output),
            Self::Bcrypt { .. } | Self::Sha256Crypt { .. } | Self::Sha512Crypt { .. } if has_nul => return false,
            Self::Bcrypt { cost } => output.copy_from_slice(&bcrypt(cost, password, salt)),
            Self::Pbkdf2(digest, iterations) => pbkdf2::derive(digest.pbkdf2(), iterations, salt, password, output),
            Self::Salted(digest) => {
                let mut context = digest::Context::new(digest.algorithm());
                context.update(password);
                context.update(salt);
                output.copy_from_slice(context.finish().as_ref());
            }
            Self::Scrypt { log_n, r, p } => {
                let log_n = u8::try_from(log_n).expect("the logarithm was checked");
                let params = scrypt::Params::new(log_n, r, p).expect("the parameters were checked");
                scrypt::scrypt(password, salt, &params, output).expect("the output was checked");
            }
            Self::Sha256Crypt { rounds } => {
                output.copy_from_slice(&sha_crypt::sha256_crypt(password, salt, sha_crypt_params(rounds)));
            }
            Self::Sha512Crypt { rounds } => {
                output.copy_from_slice(&sha_crypt::sha512_crypt(password, salt, sha_crypt_params(rounds)));
            }
        }
        true
    }
}

fn sha_crypt_params(rounds: u32) -> sha_crypt::Params {
    sha_crypt::Params::new(rounds).expect("the rounds were checked")
}

/// As every implementation has it: the password with a NUL behind it, and of that the first 72 bytes.
fn bcrypt(cost: u32, password: &[u8], salt: &[u8]) -> [u8; 23] {
    let mut key = Zeroizing::new([0; BCRYPT_BYTES]);
    let length = password.len().min(BCRYPT_BYTES);
    key[..length].copy_from_slice(&password[..length]);
    let used = BCRYPT_BYTES.min(length + 1);
    let output = bcrypt::bcrypt(cost, salt.try_into().expect("the salt was checked"), &key[..used]);
    *output.first_chunk().expect("24 bytes have 23")
}
