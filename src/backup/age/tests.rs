//! The encryption of backups, against the reference implementation's output and against every kind of damage.

use super::*;

const PASSPHRASE: &str = "violet tractor ledger mango";

fn passphrase() -> Secret {
    Secret::new(PASSPHRASE)
}

fn encrypted(plaintext: &[u8]) -> Vec<u8> {
    let mut age = Encryptor::new(Vec::new(), &passphrase(), Work::TRIVIAL, &Entropy::seeded(1)).unwrap();
    // In pieces that end where chunks do not.
    plaintext.chunks(40_000).for_each(|piece| age.write(piece).unwrap());
    age.finish().unwrap()
}

fn decrypted(file: &[u8], passphrase: &str) -> Result<Vec<u8>, AgeError> {
    let mut age = Decryptor::new(file, &Secret::new(passphrase))?;
    let mut plaintext = Vec::new();
    while let Some(chunk) = age.chunk()? {
        plaintext.extend_from_slice(&chunk);
    }
    Ok(plaintext)
}

/// Where the payload's chunks begin.
fn header_length(file: &[u8]) -> usize {
    let lines = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(3).unwrap();
    lines.0 + 1 + 16
}

#[test]
fn what_the_reference_implementation_encrypted_is_decrypted() {
    let file = include_bytes!("../../../tests/fixtures/age/passphrase.age");
    assert_eq!(decrypted(file, PASSPHRASE).unwrap(), b"what the reference implementation has encrypted\n");
}

#[test]
fn every_length_comes_back_as_it_was() {
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let plaintext: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let file = encrypted(&plaintext);
        assert_eq!(decrypted(&file, PASSPHRASE).unwrap(), plaintext, "{length}");
        let chunks = length.div_ceil(CHUNK).max(1);
        assert_eq!(file.len(), header_length(&file) + length + chunks * TAG, "{length}");
    }
}

#[test]
fn nothing_of_the_plaintext_is_in_the_file() {
    let file = encrypted(&b"signet-master-key-1:".repeat(10));
    assert!(!file.windows(10).any(|window| window == b"master-key"));
}

#[test]
fn another_passphrase_is_told_from_damage() {
    let file = encrypted(b"secret");
    for wrong in ["", "violet tractor ledger mangO", "violet tractor ledger mango "] {
        assert!(matches!(decrypted(&file, wrong), Err(AgeError::WrongPassphrase)), "{wrong:?}");
    }
}

#[test]
fn a_change_of_any_bit_is_noticed() {
    let file = encrypted(b"secret");
    for at in 0..file.len() {
        for bit in [1, 0x20, 0x80] {
            let mut changed = file.clone();
            changed[at] ^= bit;
            assert!(decrypted(&changed, PASSPHRASE).is_err(), "byte {at}, bit {bit}");
        }
    }
    let mut changed = encrypted(&[7; 3 * CHUNK]);
    let second = header_length(&changed) + CHUNK + TAG + 100;
    changed[second] ^= 1;
    assert!(matches!(decrypted(&changed, PASSPHRASE), Err(AgeError::Damaged { at }) if at == CHUNK as u64));
}

#[test]
fn a_file_that_is_cut_short_is_known_wherever_it_was_cut() {
    let file = encrypted(&[7; 2 * CHUNK + 100]);
    let payload = header_length(&file);
    for length in (0..payload + 40).chain([payload + CHUNK, file.len() - 1]) {
        assert!(decrypted(&file[..length], PASSPHRASE).is_err(), "{length}");
    }
    // Between two chunks everything that is there is genuine; that more is missing is known all the same.
    for chunks in 1..=2 {
        let cut = decrypted(&file[..payload + chunks * (CHUNK + TAG)], PASSPHRASE);
        let expected = (chunks * CHUNK) as u64;
        assert!(matches!(cut, Err(AgeError::Truncated { at }) if at == expected), "{cut:?}");
    }
}

#[test]
fn chunks_that_change_places_or_follow_the_last_are_refused() {
    let file = encrypted(&[7; 3 * CHUNK]);
    let payload = header_length(&file);
    let (one, two) = (payload..payload + CHUNK + TAG, payload + CHUNK + TAG..payload + 2 * (CHUNK + TAG));
    let swapped = [&file[..payload], &file[two.clone()], &file[one.clone()], &file[two.end..]].concat();
    assert!(matches!(decrypted(&swapped, PASSPHRASE), Err(AgeError::Damaged { at: 0 })));
    let longer = [&file[..], &file[one]].concat();
    assert!(matches!(decrypted(&longer, PASSPHRASE), Err(AgeError::Damaged { .. })));
}

#[test]
fn a_header_that_asks_for_something_else_is_refused_by_name() {
    let text = |lines: &str| format!("{lines}\nrest");
    for foreign in ["", "SQLite format 3", "age-encryption.org/v2\n-> scrypt"] {
        assert!(matches!(decrypted(text(foreign).as_bytes(), PASSPHRASE), Err(AgeError::NotAge)), "{foreign}");
    }
    let salt = "AAAAAAAAAAAAAAAAAAAAAA";
    for stanza in [
        "-> X25519 AAAA".to_owned(),
        format!("-> scrypt {salt} 04"),
        format!("-> scrypt {salt} +4"),
        format!("-> scrypt {salt}AA 4"),
        format!("-> scrypt {salt} 4 4"),
    ] {
        let file = text(&format!("age-encryption.org/v1\n{stanza}"));
        assert!(matches!(decrypted(file.as_bytes(), PASSPHRASE), Err(AgeError::NotPassphrase)), "{stanza}");
    }
    let greedy = text(&format!("age-encryption.org/v1\n-> scrypt {salt} 21"));
    assert!(matches!(decrypted(greedy.as_bytes(), PASSPHRASE), Err(AgeError::Work(21))));
}
