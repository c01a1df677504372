//! For the fuzz targets (`fuzz/`) alone: a stored hash read as a login reads it, without the pool around it.

use super::arena::{Arena, Tally};
use super::foreign::ForeignHash;
use super::hash::{Malformed, Parameters, SALT_BYTES};
use super::stored::Stored;
use super::wrapped::Wrapped;
use super::{Password, PasswordHash};
use crate::secret::Secret;

/// Reads what a row may hold, and writes it as it would be stored.
///
/// # Errors
/// When a login could not use it.
pub fn reread(stored: &str) -> Result<String, Malformed> {
    Ok(match Stored::parse(&PasswordHash::from_stored(stored.to_owned()))? {
        Stored::Own(hash) => PasswordHash::from(hash).as_str().to_owned(),
        Stored::Foreign(hash) => hash.stored().as_str().to_owned(),
        Stored::Wrapped(_) => stored.to_owned(),
    })
}

/// Whether a password fits what a row holds. Costs what the row says.
///
/// # Errors
/// When a login could not use it.
pub fn matches(stored: &str, password: &str) -> Result<bool, Malformed> {
    fits(&PasswordHash::from_stored(stored.to_owned()), password)
}

/// Wraps an imported hash at the least cost, and tries a password at it.
///
/// # Errors
/// When a login could not use what was written.
pub fn wrap_and_match(hash: &ForeignHash, password: &str) -> Result<bool, Malformed> {
    fits(&Wrapped::wrap(hash, cheapest()?, [7; SALT_BYTES], &mut arena()?), password)
}

fn fits(stored: &PasswordHash, password: &str) -> Result<bool, Malformed> {
    let typed = Secret::new(password);
    let mut arena = arena()?;
    let stored = Stored::parse(stored)?;
    let Ok(normal) = Password::new(&typed) else { return Ok(false) };
    // A dummy that costs nothing to speak of: here nobody times the answer.
    let dummy = super::hash::Argon2id::compute(&normal, cheapest()?, [7; SALT_BYTES], &mut arena);
    Ok(stored.matches(&typed, &normal, &dummy, &mut arena))
}

fn cheapest() -> Result<Parameters, Malformed> {
    Ok(Parameters::new(8, 1, 1)?)
}

fn arena() -> Result<Arena, Malformed> {
    Ok(Arena::new(cheapest()?, Tally::default().into()))
}
