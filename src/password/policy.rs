//! What a new password must be: NIST SP 800-63B-4 §3.1.1.2. Length, and no password that is guessed first.
//!
//! No composition rules, no expiry: the standard forbids both. A capital letter makes no guess new, so the rules ignore case.

use std::collections::HashSet;
use std::sync::LazyLock;

use zeroize::Zeroizing;

use super::{MAX_BYTES, Password};
use crate::secret::Secret;

/// The shortest password, in Unicode scalar values after normalisation: it is the only factor.
pub const MIN_CHARACTERS: usize = 15;

/// Where every user has an account.
const SERVICE: &str = "signet";

/// A context word shorter than this is in too many good passwords by chance.
const MIN_CONTEXT_CHARACTERS: usize = 3;

/// What people put behind a password that was refused, at most: `…1`, `…123`, `…2024`, `…1!`.
const MAX_SUFFIX_CHARACTERS: usize = 4;

/// Orders that fingers and memory follow, each continued at its beginning.
const ORDERS: [&str; 6] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
];

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Why a new password is refused, in words for whoever sets it. Says nothing of the password but its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("must have at least {MIN_CHARACTERS} characters (has {0})")]
    TooShort(usize),
    #[error("must have at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("is among the commonest passwords: choose another, such as four or more unrelated words")]
    Common,
    #[error("must not be one short piece again and again: choose, for example, four or more unrelated words")]
    Repetition,
    #[error(
        "must not follow the alphabet, the digits or the keyboard: choose, for example, four or more unrelated words"
    )]
    Sequence,
    #[error("was found in data from a breach: choose another, such as four or more unrelated words")]
    Breached,
    #[error("must not consist mostly of the user name, the e-mail address or the name of this service")]
    Context,
}

/// Checks a password about to be set. `context` is what an attacker knows of the user: user name, e-mail address,
/// organisation. The service's own name is added.
///
/// # Errors
/// The first rule that it breaks:
/// - length;
/// - [`Refusal::Common`]: in `common_passwords.txt`, as it is or with up to four digits or signs behind it;
/// - [`Refusal::Repetition`]: two or more times the same piece of fewer than 15 characters, likewise. Such a password
///   is as strong as the piece, and the piece is too short;
/// - [`Refusal::Sequence`]: more than half of its characters are what their two predecessors let one expect;
/// - [`Refusal::Context`]: more than half of its characters belong to context words of three or more letters.
pub fn check(password: &Secret, context: &[&str]) -> Result<(), Refusal> {
    let password = Password::new(password).map_err(|_| Refusal::TooLong)?;
    let length = password.as_str().chars().count();
    if length < MIN_CHARACTERS {
        return Err(Refusal::TooShort(length));
    }
    let folded = Secret::new(password.as_str().to_lowercase());
    let characters = Zeroizing::new(folded.expose().chars().collect::<Vec<char>>());
    if stems(folded.expose()).any(|stem| COMMON.contains(stem)) {
        Err(Refusal::Common)
    } else if stems(folded.expose()).any(|stem| is_repetition(&characters[..stem.chars().count()])) {
        Err(Refusal::Repetition)
    } else if is_mostly(&expected(&characters)) {
        Err(Refusal::Sequence)
    } else if is_mostly(&covered(&characters, context)) {
        Err(Refusal::Context)
    } else {
        Ok(())
    }
}

fn is_mostly(marks: &[bool]) -> bool {
    2 * marks.iter().filter(|mark| **mark).count() > marks.len()
}

/// `password`, and what it is without the last, the last two, … of the digits and signs at its end.
fn stems(password: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(password), |longer| {
        let last = longer.chars().next_back().filter(|last| !last.is_alphabetic())?;
        longer.strip_suffix(last)
    })
    .take(1 + MAX_SUFFIX_CHARACTERS)
}

fn is_repetition(characters: &[char]) -> bool {
    let longest = (characters.len() / 2).min(MIN_CHARACTERS - 1);
    (1..=longest).any(|period| characters[period..].iter().zip(characters).all(|(later, earlier)| later == earlier))
}

/// Marks each character that goes on as the two before it did: the same again, or one further along one of [`ORDERS`],
/// forwards or backwards.
fn expected(characters: &[char]) -> Vec<bool> {
    let mut marks = vec![false; characters.len()];
    for (mark, three) in marks.iter_mut().skip(2).zip(characters.windows(3)) {
        let same = three[0] == three[1] && three[1] == three[2];
        *mark = same || ORDERS.iter().any(|order| is_run(three, order));
    }
    marks
}

fn is_run(three: &[char], order: &str) -> bool {
    let length = order.len();
    let places: Vec<usize> = three.iter().filter_map(|c| order.find(*c)).collect();
    let [first, second, third] = places[..] else { return false };
    let forwards = |from: usize, to: usize| (from + 1) % length == to;
    (forwards(first, second) && forwards(second, third)) || (forwards(third, second) && forwards(second, first))
}

/// Marks each character that is part of a context word.
fn covered(characters: &[char], context: &[&str]) -> Vec<bool> {
    let mut marks = vec![false; characters.len()];
    for word in words(context) {
        for start in 0..characters.len().saturating_sub(word.len() - 1) {
            if characters[start..].starts_with(&word) {
                marks[start..start + word.len()].fill(true);
            }
        }
    }
    marks
}

/// Each name whole, the part of an e-mail address before the @, and every run of letters and digits (given name, family
/// name, the labels of the domain), in the form that passwords are compared in.
fn words(context: &[&str]) -> HashSet<Vec<char>> {
    let mut words = HashSet::new();
    for name in context.iter().chain(&[SERVICE]) {
        let Ok(name) = Password::new(&Secret::new(*name)) else { continue };
        let name = name.as_str().to_lowercase();
        let local_part = name.split('@').next();
        let runs = name.split(|c: char| !c.is_alphanumeric());
        words.extend(runs.chain(local_part).chain([name.as_str()]).map(|word| word.chars().collect::<Vec<char>>()));
    }
    words.retain(|word| word.len() >= MIN_CONTEXT_CHARACTERS);
    words
}

#[cfg(test)]
mod tests;
