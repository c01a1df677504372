//! What the policy takes and refuses.

use super::*;

fn checked(password: &str) -> Result<(), Refusal> {
    checked_for(password, &[])
}

fn checked_for(password: &str, context: &[&str]) -> Result<(), Refusal> {
    check(&Secret::new(password), context)
}

#[test]
fn good_passwords_pass_whatever_their_characters() {
    for good in [
        "velvet otter piano drizzle",
        "xK9#mQ2$vL7@nR4",
        "73914 60285 9137",
        "xK9#mQ2$vL7@nRx",
        "Ångström löser gåtor",
        "зелёный чайник поёт",
        "青い鳥が窓辺で静かに歌を歌っている",
        "🦊🌧️🎹🧵🪁🥨🚲🪴🧊🎈🫖🔭🪵🧭🐙",
        "a\0b\0c\0d\0e\0g\0i\0m",
        "postern northern terrace",
    ] {
        assert_eq!(checked(good), Ok(()), "{good}");
    }
}

#[test]
fn fifteen_characters_are_enough_and_are_counted_after_normalisation() {
    assert_eq!(checked("xK9#mQ2$vL7@nR"), Err(Refusal::TooShort(14)));
    assert_eq!(checked("xK9#mQ2$vL7@ne\u{301}"), Err(Refusal::TooShort(14)));
    assert_eq!(checked("xK9#mQ2$vL7@ne\u{301}w"), Ok(()));
    assert_eq!(checked("éèüöäßçñøåœæþð"), Err(Refusal::TooShort(14)), "characters, not bytes");
    assert_eq!(checked(""), Err(Refusal::TooShort(0)));
}

#[test]
fn a_passphrase_of_1024_bytes_is_accepted_and_a_longer_one_refused() {
    // Words from a congruence, since a repeated phrase is refused for another reason.
    let phrase: String = (1u32..).map(|n| format!("{:07x} ", n.wrapping_mul(2_654_435_761) >> 4)).take(128).collect();
    assert_eq!(phrase.len(), 1024);
    assert_eq!(checked(&phrase), Ok(()));
    assert_eq!(checked(&format!("{phrase}x")), Err(Refusal::TooLong));
}

#[test]
fn common_passwords_are_refused_in_any_case_and_with_a_suffix() {
    for common in [
        "correcthorsebatterystaple",
        "CorrectHorseBatteryStaple",
        "correcthorsebatterystaple1!",
        "correct horse battery staple",
        "thisismypassword",
        "MayTheForceBeWithYou2024",
        "LosAngeles123!!",
        "1q2w3e4r5t6y7u8i",
        "administrator123",
        "314159265358979",
    ] {
        assert_eq!(checked(common), Err(Refusal::Common), "{common}");
    }
    assert_eq!(checked("correcthorsebatterystaple84021"), Ok(()), "five digits are more than a suffix");
}

#[test]
fn a_short_piece_repeated_is_refused() {
    for repeated in [
        "blueTiger#blueTiger#",
        "BlueTiger#blueTIGER#blue",
        "x7#x7#x7#x7#x7#x7#",
        "x7#x7#x7#x7#x7#1",
        "violetviolet violetviolet ",
        "wxyzqp8wxyzqp8!",
    ] {
        assert_eq!(checked(repeated), Err(Refusal::Repetition), "{repeated}");
    }
    assert_eq!(checked("velvet otter 42velvet otter 42"), Ok(()), "a piece of fifteen characters is a password");
}

#[test]
fn runs_of_one_character_or_along_the_alphabet_digits_or_keyboard_are_refused() {
    for run in [
        "zaaaaaaaaaaaaaaaaaaa",
        "aaaaabbbbbcccccd",
        "xabcdefghijklmnop",
        "ponmlkjihgfedcbaZ",
        "345678901234567890a",
        "Qwertyuiop-asdfgh",
        "qwertzuiopasdfgy",
        "azertyuiopqsdfgk",
        "3edc4rfv5tgb6yhn",
        "abcdefg-1234567-qwerty",
        "xyzabc-yzabcd-zabcde",
        "klzxcxzlkjklzxc",
        "rtzuiuztrtzuizt",
        "azeropqsdklmwxc",
    ] {
        assert_eq!(checked(run), Err(Refusal::Sequence), "{run}");
    }
    assert_eq!(checked("abcdefg velvet otter"), Ok(()), "a run may be a part");
}

#[test]
fn a_password_mostly_of_what_is_known_about_the_user_is_refused() {
    let context = ["Bo.Lindqvist", "lindqvist.bo@mail.northwind.example"];
    for known in [
        "lindqvist9482736",
        "LindqvistNorthwind!7",
        "Bo.Lindqvist/x7Kw",
        "lindqvist.bo 58K?w",
        "northwind-X7kw2v",
        "nd Signet Lindqvist x",
        "signet-Signet-7w",
    ] {
        assert_eq!(checked_for(known, &context), Err(Refusal::Context), "{known}");
    }
    assert_eq!(checked_for("lindqvist piano drizzle", &context), Ok(()), "less than half");
    assert_eq!(checked("lindqvist9482736"), Ok(()), "somebody else's name");
    assert_eq!(checked_for("bobobo-bobo-7kw", &["bo"]), Ok(()), "two letters are no word");
    assert_eq!(checked_for("ame\u{301}lieame\u{301}lie-7kw", &["Am\u{e9}lie"]), Err(Refusal::Context), "normalised");
}

#[test]
fn exactly_half_of_context_is_still_accepted() {
    assert_eq!(checked_for("lindqvist7kw#2vXqp", &["lindqvist"]), Ok(()));
    assert_eq!(checked_for("lindqvist7kw#2vXq", &["lindqvist"]), Err(Refusal::Context));
}

#[test]
fn a_refusal_tells_what_to_do_and_nothing_of_the_password() {
    assert_eq!(Refusal::TooShort(8).to_string(), "must have at least 15 characters (has 8)");
    assert_eq!(Refusal::TooLong.to_string(), "must have at most 1024 bytes");
}

#[test]
fn every_listed_password_can_be_matched() {
    for line in COMMON.iter() {
        assert_eq!(*line, line.to_lowercase(), "compared in lower case");
        assert!(line.chars().count() + MAX_SUFFIX_CHARACTERS >= MIN_CHARACTERS, "{line} is too short to be reached");
        let padded = format!("{line}{}", &"2024"[..MIN_CHARACTERS.saturating_sub(line.chars().count()).min(4)]);
        assert_eq!(checked(&padded), Err(Refusal::Common), "{padded}");
    }
}
