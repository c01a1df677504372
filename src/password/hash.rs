//! Argon2id hashes and their PHC strings (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`), parameters beside the hash.
//!
//! A stored string is not trusted to be sane: its parameters have upper bounds, so that no row can exhaust the process.

use std::fmt;

use argon2::ARGON2ID_IDENT;
use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use subtle::ConstantTimeEq as _;

use super::arena::Arena;
use super::foreign::Unusable;
use crate::entropy::Entropy;

/// Argon2 version 1.3 as it is written in a PHC string. 1.0 is weaker, and also what a missing version would mean.
const VERSION: u32 = 0x13;
/// 128 bits: RFC 9106 §3.1, SP 800-63B-4 asks for 32.
pub(super) const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// What a hash costs. Every value is within the bounds that [`Parameters::new`] checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

/// Argon2 parameters that are not accepted, in configuration or in a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    #[error("the memory must be 8 KiB for each lane at least and {max} KiB at most (is {0})", max = Parameters::MAX_MEMORY_KIB)]
    Memory(u32),
    #[error("the iterations must be from 1 to {max} (are {0})", max = Parameters::MAX_ITERATIONS)]
    Iterations(u32),
    #[error("the parallelism must be from 1 to {max} (is {0})", max = Parameters::MAX_PARALLELISM)]
    Parallelism(u32),
}

impl Parameters {
    /// 1 GiB.
    pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
    pub const MAX_ITERATIONS: u32 = 16;
    pub const MAX_PARALLELISM: u32 = 16;

    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, OutOfBounds> {
        if !(1..=Self::MAX_PARALLELISM).contains(&parallelism) {
            return Err(OutOfBounds::Parallelism(parallelism));
        }
        if !(8 * parallelism..=Self::MAX_MEMORY_KIB).contains(&memory_kib) {
            return Err(OutOfBounds::Memory(memory_kib));
        }
        if !(1..=Self::MAX_ITERATIONS).contains(&iterations) {
            return Err(OutOfBounds::Iterations(iterations));
        }
        Ok(Self { memory_kib, iterations, parallelism })
    }

    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    pub fn iterations(self) -> u32 {
        self.iterations
    }

    /// Lanes. They are computed one after the other: a worker uses one core.
    pub fn parallelism(self) -> u32 {
        self.parallelism
    }
}

/// 19 MiB, 2 iterations, 1 lane: the OWASP Password Storage Cheat Sheet's recommendation.
impl Default for Parameters {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

/// A password hash as it is stored, not yet looked into: a PHC string of ours, or one that was imported.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub fn from_stored(phc: String) -> Self {
        Self(phc)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What is wrong with a stored hash. Says nothing of its salt and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it is not a PHC string: {0}")]
    Syntax(phc::Error),
    #[error("its algorithm is not argon2id")]
    Algorithm,
    #[error("its version is not {VERSION}")]
    Version,
    #[error("its parameters are not exactly m, t and p, each a number")]
    Parameters,
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    #[error("it has no salt or no output")]
    Incomplete,
    #[error("what was imported is not whole")]
    Imported,
    #[error("what was imported {0}")]
    Foreign(#[from] Unusable),
}

/// A hash taken apart.
#[derive(Clone, Copy)]
pub(super) struct Argon2id {
    parameters: Parameters,
    salt: Salt,
    output: Output,
}

impl Argon2id {
    pub fn compute(
        password: &(impl AsRef<[u8]> + ?Sized),
        parameters: Parameters,
        salt: [u8; SALT_BYTES],
        arena: &mut Arena,
    ) -> Self {
        let mut output = [0; OUTPUT_BYTES];
        arena.argon2id(parameters, password.as_ref(), &salt, &mut output);
        Self::assemble(parameters, &salt, &output)
    }

    /// A hash that costs what any other with these parameters costs, but whose output is random: no password fits.
    pub fn dummy(parameters: Parameters, entropy: &Entropy) -> Self {
        Self::assemble(parameters, &entropy.bytes(), &entropy.bytes())
    }

    fn assemble(parameters: Parameters, salt: &[u8; SALT_BYTES], output: &[u8; OUTPUT_BYTES]) -> Self {
        Self {
            parameters,
            salt: Salt::new(salt).expect("16 bytes are a salt"),
            output: Output::new(output).expect("32 bytes are an output"),
        }
    }

    pub fn parse(phc: &str) -> Result<Self, Malformed> {
        let phc = phc::PasswordHash::new(phc).map_err(Malformed::Syntax)?;
        if phc.algorithm != ARGON2ID_IDENT {
            return Err(Malformed::Algorithm);
        }
        if phc.version != Some(VERSION) {
            return Err(Malformed::Version);
        }
        let number = |name| phc.params.get_decimal(name).ok_or(Malformed::Parameters);
        let parameters = Parameters::new(number("m")?, number("t")?, number("p")?)?;
        if phc.params.iter().count() != 3 {
            return Err(Malformed::Parameters);
        }
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else { return Err(Malformed::Incomplete) };
        Ok(Self { parameters, salt, output })
    }

    pub fn matches(&self, password: &(impl AsRef<[u8]> + ?Sized), arena: &mut Arena) -> bool {
        let mut buffer = [0; Output::MAX_LENGTH];
        let computed = &mut buffer[..self.output.len()];
        arena.argon2id(self.parameters, password.as_ref(), &self.salt, computed);
        self.output.as_bytes().ct_eq(computed).into()
    }

    /// Whether the hash should be made anew at the next login, because it was not made with `wanted`.
    ///
    /// True for stronger parameters too: every user then costs what the dummy of an unknown user costs, so that the
    /// time taken tells neither apart, and an administrator who lowers a cost gets it lowered.
    pub fn needs_rehash(&self, wanted: &Parameters) -> bool {
        self.parameters != *wanted || self.salt.len() < SALT_BYTES || self.output.len() < OUTPUT_BYTES
    }
}

impl From<Argon2id> for PasswordHash {
    fn from(hash: Argon2id) -> Self {
        let Parameters { memory_kib, iterations, parallelism } = hash.parameters;
        let parameters = format!("m={memory_kib},t={iterations},p={parallelism}");
        let phc = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(VERSION),
            params: parameters.parse::<ParamsString>().expect("three short numbers are a parameter string"),
            salt: Some(hash.salt),
            hash: Some(hash.output),
        };
        Self(phc.to_string())
    }
}

#[cfg(test)]
mod tests;
