//! Password hashes: those of other systems as they are imported, and whatever a row of the database may hold. What is
//! taken can be stored, read again and compared with a password, without a panic and within the bounds of a login.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signet::password::{ForeignHash, fuzzing};

/// What a run may cost: fuzzing is to try many.
const CHEAP: u64 = 1 << 12;

/// The product of the numbers in the parameters; those of bcrypt and scrypt are exponents.
fn cost(stored: &str) -> u64 {
    let parameters = stored.split('$').filter(|field| field.contains('=')).flat_map(|field| field.split(','));
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| *name != "v")
        .map(|(name, number)| {
            let number: u64 = number.parse().unwrap_or(u64::MAX);
            let power = |by: u64| 1_u64.checked_shl(number.saturating_add(by).min(64) as u32).unwrap_or(u64::MAX);
            match name {
                "c" => power(6),
                "ln" => power(0),
                _ => number.max(1),
            }
        })
        .fold(1, u64::saturating_mul)
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // A row.
    if let Ok(again) = fuzzing::reread(text) {
        assert_eq!(fuzzing::reread(&again).as_deref(), Ok(&*again), "what is stored has one form");
        if cost(text) <= CHEAP {
            fuzzing::matches(text, "a password").expect("it was read before");
        }
    }
    // A line of an import.
    let Ok(hash) = ForeignHash::read(text) else { return };
    let stored = hash.stored();
    assert_eq!(signet::password::imported_scheme(stored.as_str()), Some((hash.scheme(), false)));
    assert_eq!(fuzzing::reread(stored.as_str()).as_deref(), Ok(stored.as_str()), "a login cannot read it");
    if cost(stored.as_str()) <= CHEAP {
        assert_eq!(fuzzing::matches(stored.as_str(), "a password"), fuzzing::matches(stored.as_str(), "a password"));
        fuzzing::wrap_and_match(&hash, "a password").expect("what is wrapped can be read");
    }
});
