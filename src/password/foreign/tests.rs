//! Hashes that others made, and those that are not taken.

use super::*;
use crate::password::arena::Tally;
use crate::password::hash::Parameters;
use crate::password::stored::Stored;
use crate::password::wrapped::Wrapped;

/// Where each is from is said in the file.
const VECTORS: &str = include_str!("../../../tests/fixtures/password_hashes/vectors.tsv");

fn vectors() -> impl Iterator<Item = [&'static str; 3]> {
    let lines = VECTORS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect::<Vec<_>>().try_into().expect("three columns"))
}

fn arena() -> Arena {
    Arena::new(Parameters::default(), Tally::default().into())
}

fn read(text: &str) -> ForeignHash {
    ForeignHash::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> NotRead {
    ForeignHash::read(text).err().unwrap_or_else(|| panic!("{text} is taken"))
}

#[test]
fn hashes_of_other_implementations_verify_and_other_passwords_do_not() {
    let mut arena = arena();
    for [scheme, password, text] in vectors() {
        let hash = read(text);
        assert_eq!(hash.scheme(), scheme, "{text}");
        assert!(hash.matches(password.as_bytes(), &mut arena), "{text}");
        let other = format!("X{password}");
        assert!(!hash.matches(other.as_bytes(), &mut arena), "{text}");
        assert!(!hash.matches(b"", &mut arena), "{text}");
    }
}

#[test]
fn every_scheme_has_two_vectors() {
    let mut counts = std::collections::BTreeMap::new();
    vectors().for_each(|[scheme, ..]| *counts.entry(scheme).or_insert(0) += 1);
    assert_eq!(counts.len(), 12, "{counts:?}");
    assert!(counts.values().all(|count| *count >= 2), "{counts:?}");
}

#[test]
fn what_is_stored_is_what_was_read() {
    for [scheme, _, text] in vectors() {
        let hash = read(text);
        let stored = hash.stored();
        let Ok(Stored::Foreign(again)) = Stored::parse(&stored) else { panic!("{}", stored.as_str()) };
        assert!(again == hash, "{}", stored.as_str());
        assert_eq!(crate::password::imported_scheme(stored.as_str()), Some((scheme, false)));
        let (cut, _) = stored.as_str().rsplit_once('$').unwrap();
        assert!(Stored::parse(&PasswordHash::from_stored(cut.to_owned())).is_err(), "{cut}");
    }
}

#[test]
fn a_wrapped_hash_verifies_and_holds_nothing_of_the_old_one() {
    let mut arena = arena();
    let small = Parameters::new(16, 1, 1).unwrap();
    for [scheme, password, text] in vectors() {
        let hash = read(text);
        let stored = Wrapped::wrap(&hash, small, [7; 16], &mut arena);
        assert!(!stored.as_str().contains(&text::encoded(hash.output())), "{text}");
        assert_eq!(crate::password::imported_scheme(stored.as_str()), Some((scheme, true)));
        let Ok(Stored::Wrapped(wrapped)) = Stored::parse(&stored) else { panic!("{}", stored.as_str()) };
        assert!(wrapped.matches(password.as_bytes(), &mut arena), "{text}");
        assert!(!wrapped.matches(b"other", &mut arena), "{text}");
    }
}

#[test]
fn bcrypt_reads_72_bytes_as_it_always_did() {
    let mut arena = arena();
    let long = read("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui");
    let first_72 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    assert!(long.matches(first_72.as_bytes(), &mut arena));
    assert!(long.matches(format!("{first_72}and more").as_bytes(), &mut arena));
    assert!(!long.matches(&first_72.as_bytes()[..71], &mut arena));
}

#[test]
fn what_ends_at_a_nul_elsewhere_is_nobodys_password() {
    let mut arena = arena();
    for (password, text) in [
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    ] {
        assert!(read(text).matches(password.as_bytes(), &mut arena));
        assert!(!read(text).matches(format!("{password}\0").as_bytes(), &mut arena), "{text}");
        assert!(!read(text).matches(format!("{password}\0more").as_bytes(), &mut arena), "{text}");
    }
}

#[test]
fn what_would_cost_too_much_is_refused_with_the_figures() {
    let salt = "c29tZXNhbHRzb21lc2FsdA";
    let output = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let rest = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let drepper = "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
    for (most, more) in [
        (format!("$2b$14${rest}"), format!("$2b$15${rest}")),
        (format!("$scrypt$ln=18,r=8,p=1${salt}${output}"), format!("$scrypt$ln=19,r=8,p=1${salt}${output}")),
        (format!("$scrypt$ln=14,r=8,p=32${salt}${output}"), format!("$scrypt$ln=14,r=8,p=33${salt}${output}")),
        (format!("scrypt$262144$x$8$2${output}"), format!("scrypt$262144$x$8$3${output}")),
        (
            format!("$argon2id$v=19$m=262144,t=4,p=1${salt}${output}"),
            format!("$argon2id$v=19$m=262145,t=1,p=1${salt}${output}"),
        ),
        (
            format!("$argon2i$v=19$m=131072,t=8,p=1${salt}${output}"),
            format!("$argon2i$v=19$m=131072,t=9,p=1${salt}${output}"),
        ),
        (format!("$pbkdf2-sha256$5000000${salt}${output}"), format!("$pbkdf2-sha256$5000001${salt}${output}")),
        (format!("$pbkdf2$2500000${salt}${output}"), format!("$pbkdf2$2500001${salt}${output}")),
        (format!("$pbkdf2-sha512$2000000${salt}${output}"), format!("$pbkdf2-sha512$2000001${salt}${output}")),
        (format!("$5$rounds=1000000$salt${drepper}"), format!("$5$rounds=1000001$salt${drepper}")),
    ] {
        read(&most);
        let refusal = refused(&more);
        assert!(matches!(refusal, NotRead::Unusable(Unusable::Memory(_) | Unusable::Time { .. })), "{more}: {refusal}");
    }
    // Its parameters alone would overflow what counts them.
    for absurd in ["ln=63,r=8,p=1", "ln=30,r=1073741824,p=1", "ln=10,r=4294967295,p=4294967295", "ln=0,r=1,p=1"] {
        refused(&format!("$scrypt${absurd}${salt}${output}"));
    }
}

#[test]
fn a_costly_row_is_not_computed_whoever_wrote_it() {
    let stored = read("$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI").stored();
    let costly = stored.as_str().replace("i=1212", "i=4000000000");
    assert!(Stored::parse(&PasswordHash::from_stored(costly)).is_err());
}

#[test]
fn what_is_known_and_weak_is_refused_by_name() {
    for (text, name) in [
        ("$1$dOHYPKoP$tnxS1T8Q6VVn3kpV8cN6o.", "md5-crypt"),
        ("$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "$2x$"),
        ("$P$B12345678NiaHRQPtGJ3bd4xaSS5mm1", "phpass"),
        ("$y$j9T$abc$def", "yescrypt"),
        ("{sha}at+xg6SiyUovktq1redipHiJpaE=", "SHA-1"),
        ("{MD5}/F4DjTilcDIIVEHn/nAQsA==", "MD5"),
        ("{CRYPT}..ofD8.Rfqzqs", "DES"),
        ("md5$salt$3858f62230ac3c915f300c664312c63f", "MD5"),
    ] {
        let refusal = refused(text).to_string();
        assert!(refusal.contains(name) && refusal.contains("new password"), "{text}: {refusal}");
    }
    for unusable in ["!", "!9fjwWkDg", "*", "*LK*"] {
        assert_eq!(refused(unusable), NotRead::NoPassword);
    }
    for unknown in ["", "password", "$", "$9$x$y", "x$y", "{FOO}bar", "{", "5f4dcc3b5aa765d61d8327deb882cf99", "äöü$"]
    {
        assert_eq!(refused(unknown), NotRead::Unknown, "{unknown:?}");
    }
}

#[test]
fn a_damaged_hash_is_refused() {
    for [_, _, text] in vectors() {
        // Cut at each place that leaves less than 16 bytes, or lengthened.
        let least = text.rfind(['$', '}']).map_or(0, |at| at + 1) + 20;
        for cut in text.char_indices().map(|(at, _)| &text[..at]).filter(|cut| cut.len() < least) {
            assert!(ForeignHash::read(cut).is_err(), "{cut}");
        }
        assert!(ForeignHash::read(&format!("{text}$")).is_err(), "{text}");
        assert!(ForeignHash::read(&format!("{text} ")).is_err(), "{text}");
    }
}
