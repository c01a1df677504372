//! Hashes: what is stored, what is taken, what is refused.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::password::Password;
use crate::password::arena::Tally;
use crate::secret::Secret;

/// Of the Argon2 reference implementation's own tests (`src/test.c`).
const REFERENCE: [&str; 3] = [
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
];

fn small() -> Parameters {
    Parameters::new(16, 1, 1).unwrap()
}

fn arena(usual: Parameters) -> (Arena, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    (Arena::new(usual, Arc::clone(&tally)), tally)
}

fn password(typed: &str) -> Password {
    Password::new(&Secret::new(typed)).unwrap()
}

fn stored(phc: &str) -> PasswordHash {
    PasswordHash::from_stored(phc.to_owned())
}

fn needs_rehash(hash: &PasswordHash, wanted: &Parameters) -> Result<bool, Malformed> {
    Argon2id::parse(hash.as_str()).map(|parsed| parsed.needs_rehash(wanted))
}

fn fault(phc: &str) -> Option<Malformed> {
    Argon2id::parse(phc).err()
}

#[test]
fn hashes_of_the_reference_implementation_verify() {
    let (mut arena, _) = arena(Parameters::default());
    for phc in REFERENCE {
        let parsed = Argon2id::parse(phc).unwrap();
        assert!(parsed.matches(&password("password"), &mut arena), "{phc}");
        assert!(!parsed.matches(&password("Password"), &mut arena), "{phc}");
        assert_eq!(PasswordHash::from(parsed).as_str(), phc);
    }
}

#[test]
fn a_new_hash_states_its_parameters_and_has_a_salt_of_128_random_bits() {
    let (mut arena, _) = arena(Parameters::default());
    let entropy = Entropy::seeded(1);
    let mut hash =
        || PasswordHash::from(Argon2id::compute(&password("x"), Parameters::default(), entropy.bytes(), &mut arena));
    let (first, second) = (hash(), hash());
    assert!(first.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_ne!(first, second);
    let parsed = Argon2id::parse(first.as_str()).unwrap();
    assert_eq!((parsed.salt.len(), parsed.output.len()), (16, 32));
    assert!(parsed.matches(&password("x"), &mut arena));
}

#[test]
fn every_byte_of_a_long_password_and_what_follows_a_nul_counts() {
    let (mut arena, _) = arena(small());
    let long = "x".repeat(1023);
    for (set, other) in [("a\0b", "a\0c"), ("a\0", "a"), (&*format!("{long}y"), &*format!("{long}z")), ("a ", "a")] {
        let hash = Argon2id::compute(&password(set), small(), [7; SALT_BYTES], &mut arena);
        assert!(hash.matches(&password(set), &mut arena));
        assert!(!hash.matches(&password(other), &mut arena));
    }
}

#[test]
fn only_complete_argon2id_strings_are_accepted() {
    let good = "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_eq!(fault(good), None);
    let cases = [
        ("argon2id", "argon2i", Malformed::Algorithm),
        ("argon2id", "scrypt", Malformed::Algorithm),
        ("$v=19", "", Malformed::Version),
        ("v=19", "v=16", Malformed::Version),
        ("m=16,", "", Malformed::Parameters),
        ("p=1", "p=1,data=c29tZXNhbHQ", Malformed::Parameters),
        ("m=16", "m=x", Malformed::Parameters),
        ("$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "", Malformed::Incomplete),
        ("m=16", "m=1048577", Malformed::OutOfBounds(OutOfBounds::Memory(1_048_577))),
        ("t=1", "t=17", Malformed::OutOfBounds(OutOfBounds::Iterations(17))),
        ("p=1", "p=17", Malformed::OutOfBounds(OutOfBounds::Parallelism(17))),
    ];
    for (part, replacement, expected) in cases {
        assert_eq!(fault(&good.replacen(part, replacement, 1)), Some(expected), "{replacement}");
    }
    for nonsense in ["", "x", "plaintext password", "$2b$12$abcdefghijklmnopqrstuv"] {
        assert!(fault(nonsense).is_some(), "{nonsense}");
    }
}

#[test]
fn parameters_have_bounds_on_both_sides() {
    assert!(
        Parameters::new(Parameters::MAX_MEMORY_KIB, Parameters::MAX_ITERATIONS, Parameters::MAX_PARALLELISM).is_ok()
    );
    assert_eq!(Parameters::new(7, 1, 1), Err(OutOfBounds::Memory(7)));
    assert_eq!(Parameters::new(31, 1, 4), Err(OutOfBounds::Memory(31)));
    assert_eq!(Parameters::new(u32::MAX, 1, 1), Err(OutOfBounds::Memory(u32::MAX)));
    assert_eq!(Parameters::new(16, 0, 1), Err(OutOfBounds::Iterations(0)));
    assert_eq!(Parameters::new(16, u32::MAX, 1), Err(OutOfBounds::Iterations(u32::MAX)));
    assert_eq!(Parameters::new(16, 1, 0), Err(OutOfBounds::Parallelism(0)));
    assert_eq!(Parameters::new(16, 1, u32::MAX), Err(OutOfBounds::Parallelism(u32::MAX)));
    let told = OutOfBounds::Memory(7).to_string();
    assert_eq!(told, "the memory must be 8 KiB for each lane at least and 1048576 KiB at most (is 7)");
}

#[test]
fn a_hash_is_outdated_when_its_parameters_are_not_the_wanted_ones_or_its_salt_is_short() {
    let (mut arena, _) = arena(small());
    let hash = PasswordHash::from(Argon2id::compute(&password("x"), small(), [7; SALT_BYTES], &mut arena));
    assert_eq!(needs_rehash(&hash, &small()), Ok(false));
    for (memory, iterations, parallelism) in [(32, 1, 1), (8, 1, 1), (16, 2, 1), (16, 1, 2)] {
        let wanted = Parameters::new(memory, iterations, parallelism).unwrap();
        assert_eq!(needs_rehash(&hash, &wanted), Ok(true), "{wanted:?}");
    }
    let of_reference = Parameters::new(256, 2, 1).unwrap();
    assert_eq!(needs_rehash(&stored(REFERENCE[1]), &of_reference), Ok(true), "64 bits of salt");
    assert!(needs_rehash(&stored("x"), &small()).is_err());
}

#[test]
fn memory_is_allocated_once_and_larger_hashes_get_their_own() {
    let (mut arena, tally) = arena(small());
    assert_eq!(tally.allocations(), 0);
    for memory_kib in [16, 8, 16] {
        let parameters = Parameters::new(memory_kib, 1, 1).unwrap();
        Argon2id::compute(&password("x"), parameters, [7; SALT_BYTES], &mut arena);
    }
    assert_eq!((tally.allocations(), tally.computations()), (1, 3));
    Argon2id::compute(&password("x"), Parameters::new(17 * 4, 1, 1).unwrap(), [7; SALT_BYTES], &mut arena);
    assert_eq!(tally.allocations(), 2);
    Argon2id::compute(&password("x"), small(), [7; SALT_BYTES], &mut arena);
    assert_eq!(tally.allocations(), 2);
}

#[test]
fn debug_output_hides_the_hash() {
    assert_eq!(format!("{:?}", stored(REFERENCE[0])), "PasswordHash(…)");
}

proptest! {
    #[test]
    fn no_stored_string_panics(
        m in any::<u32>(), t in any::<u32>(), p in any::<u32>(), tail in "[$,=A-Za-z0-9+/]{0,120}", any in ".{0,200}",
    ) {
        for phc in [any, tail.clone(), format!("$argon2id$v=19$m={m},t={t},p={p}${tail}")] {
            let _ = needs_rehash(&stored(&phc), &small());
        }
    }
}
