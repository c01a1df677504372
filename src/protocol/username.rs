//! User names: which are allowed, and which are the same.

use unicode_normalization::UnicodeNormalization as _;

/// Longest user name in bytes.
pub const MAX_BYTES: usize = 256;

/// The form under which a user is looked up and counted: Unicode compatibility composition (NFKC), lower case, without
/// surrounding white space. Case, full-width letters and composed or decomposed accents are thus one name.
pub fn canonical(presented: &str) -> String {
    // Lowering can decompose (İ), so composing comes last; twice the same input gives the same output.
    presented.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect::<String>().trim().to_owned()
}

/// Whether a new user may have this name.
///
/// # Errors
/// What is wrong, as a sentence's end.
pub fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || canonical(name).is_empty() {
        return Err("is empty");
    }
    if name.len() > MAX_BYTES {
        return Err("is longer than 256 bytes");
    }
    if name.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if name.trim() != name {
        return Err("begins or ends with white space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_variants_are_one_name() {
        for variant in ["Zoë", "zoë", " ZOË ", "zoe\u{308}", "ＺＯË"] {
            assert_eq!(canonical(variant), "zoë", "{variant:?}");
        }
    }

    #[test]
    fn canonical_is_stable() {
        for name in ["İstanbul", "ﬁne", "Ǆ", "ẞ", "a\u{345}\u{301}"] {
            assert_eq!(canonical(&canonical(name)), canonical(name), "{name}");
        }
    }

    #[test]
    fn names_that_cannot_be_typed_are_refused() {
        for bad in ["", " ", " a", "a\u{0}", "a\nb", &"x".repeat(257)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check("José (Büro)"), Ok(()));
    }
}
