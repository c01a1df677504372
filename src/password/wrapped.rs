//! A foreign hash that is not kept: Argon2id over it, beside what is needed to compute it again from a password. A thief of
//! the database meets Argon2id, however weak the old scheme was.

use super::PasswordHash;
use super::arena::Arena;
use super::foreign::{ForeignHash, Recipe};
use super::hash::{Argon2id, Malformed, Parameters, SALT_BYTES};

/// What is stored begins so, then name, parameters and salt of the foreign hash and its length, and the PHC string.
pub(super) const PREFIX: &str = "$signet-wrapped$";

const PHC_PREFIX: &str = "$argon2id$";

pub(super) struct Wrapped {
    recipe: Recipe,
    outer: Argon2id,
}

impl Wrapped {
    /// Wraps a hash, as it is stored from then on.
    pub fn wrap(hash: &ForeignHash, parameters: Parameters, salt: [u8; SALT_BYTES], arena: &mut Arena) -> PasswordHash {
        let outer = PasswordHash::from(Argon2id::compute(hash.output(), parameters, salt, arena));
        let length = hash.output().len();
        PasswordHash::from_stored(format!("{PREFIX}{}${length}{}", hash.recipe(), outer.as_str()))
    }

    /// Reads what is behind [`PREFIX`] in the database.
    pub fn parse(stored: &str) -> Result<Self, Malformed> {
        let (inner, _) = stored.split_once(PHC_PREFIX).ok_or(Malformed::Imported)?;
        let outer = Argon2id::parse(&stored[inner.len()..])?;
        let (recipe, length) = inner.rsplit_once('$').ok_or(Malformed::Imported)?;
        let length = length.parse().map_err(|_| Malformed::Imported)?;
        let recipe = Recipe::parse(recipe, length).ok_or(Malformed::Imported)??;
        Ok(Self { recipe, outer })
    }

    /// Whether the hash was made of these bytes. Costs one Argon2id in any case.
    pub fn matches(&self, password: &[u8], arena: &mut Arena) -> bool {
        let inner = self.recipe.compute(password, arena);
        let is_whole = inner.is_some();
        self.outer.matches(inner.unwrap_or_default().as_slice(), arena) && is_whole
    }
}
