//! Password hashes that other systems made: one taken apart, its form in the database, and whether a password fits it.
//!
//! What each scheme computes and how costly it may be is in `scheme`, how each system writes its hashes in `read`.

mod read;
mod scheme;
#[cfg(test)]
mod tests;
mod text;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::PasswordHash;
use super::arena::Arena;
pub use read::NotRead;
use scheme::Scheme;
pub use scheme::Unusable;

/// What is stored begins so, then name, parameters, salt and output of the hash, separated by `$`.
pub(super) const PREFIX: &str = "$signet-imported$";

/// No scheme that is read has a longer one.
const MAX_SALT_BYTES: usize = 128;
/// Shorter ones are found by trying: 128 bits is what the weakest tool in use cuts to.
const MIN_OUTPUT_BYTES: usize = 16;
const MAX_OUTPUT_BYTES: usize = 64;

/// A hash of another system, within the bounds of what is verified at a login.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignHash {
    scheme: Scheme,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ForeignHash {
    /// Reads a hash as the system wrote it that made it.
    ///
    /// # Errors
    /// When it is of no known scheme, damaged, or would cost more than a login may.
    pub fn read(text: &str) -> Result<Self, NotRead> {
        read::any(text)
    }

    fn new(scheme: Scheme, salt: Vec<u8>, output: Vec<u8>) -> Result<Self, Unusable> {
        check(scheme, &salt, output.len())?;
        Ok(Self { scheme, salt, output })
    }

    /// The name of the scheme, as the counts of imported hashes have it.
    pub fn scheme(&self) -> &'static str {
        self.scheme.name()
    }

    /// As it is stored when it is not wrapped.
    pub fn stored(&self) -> PasswordHash {
        PasswordHash::from_stored(format!("{PREFIX}{}${}", self.recipe(), text::encoded(&self.output)))
    }

    /// What is needed to compute the hash again: name, parameters and salt.
    pub(super) fn recipe(&self) -> String {
        format!("{}${}${}", self.scheme.name(), self.scheme.parameters(), text::encoded(&self.salt))
    }

    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Reads what is behind [`PREFIX`] in the database.
    pub(super) fn parse(stored: &str) -> Option<Result<Self, Unusable>> {
        let (recipe, output) = stored.rsplit_once('$')?;
        let output = text::decoded(output)?;
        let recipe = Recipe::parse(recipe, output.len())?;
        Some(recipe.map(|Recipe { scheme, salt, .. }| Self { scheme, salt, output }))
    }

    /// Whether the hash was made of these bytes.
    pub(super) fn matches(&self, password: &[u8], arena: &mut Arena) -> bool {
        let mut computed = Zeroizing::new(vec![0; self.output.len()]);
        self.scheme.compute((password, &self.salt), &mut computed, arena) && self.output.ct_eq(&computed).into()
    }
}

/// How a foreign hash is computed, without the hash itself: all that is kept of a wrapped one.
pub(super) struct Recipe {
    scheme: Scheme,
    salt: Vec<u8>,
    output_length: usize,
}

impl Recipe {
    /// Reads what [`ForeignHash::recipe`] wrote.
    pub fn parse(recipe: &str, output_length: usize) -> Option<Result<Self, Unusable>> {
        let [name, parameters, salt] = text::fields(recipe)?;
        let (scheme, salt) = (Scheme::parse(name, parameters)?, text::decoded(salt)?);
        Some(check(scheme, &salt, output_length).map(|()| Self { scheme, salt, output_length }))
    }

    /// The hash of a password, `None` where the scheme has none of it.
    pub fn compute(&self, password: &[u8], arena: &mut Arena) -> Option<Zeroizing<Vec<u8>>> {
        let mut output = Zeroizing::new(vec![0; self.output_length]);
        self.scheme.compute((password, &self.salt), &mut output, arena).then_some(output)
    }
}

fn check(scheme: Scheme, salt: &[u8], output_length: usize) -> Result<(), Unusable> {
    if !(scheme.min_salt_bytes()..=MAX_SALT_BYTES).contains(&salt.len()) {
        return Err(Unusable::Salt(salt.len()));
    }
    let fits = match scheme.output_bytes() {
        Some(exactly) => output_length == exactly,
        None => (MIN_OUTPUT_BYTES..=MAX_OUTPUT_BYTES).contains(&output_length),
    };
    if !fits {
        return Err(Unusable::Output(output_length));
    }
    scheme.check(output_length)
}
