//! The pieces that hash strings are made of: fields between `$`, lists of parameters, base64 in its dialects.

use base64::Engine as _;
use base64::alphabet::{BCRYPT, STANDARD};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64ct::{Base64ShaCrypt, Encoding as _};

/// Exactly so many fields.
pub fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

/// The numbers of `a=1,b=2`, with these names in this order.
pub fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(',');
    for (number, name) in numbers.iter_mut().zip(names) {
        *number = decimal(parts.next()?.strip_prefix(name)?.strip_prefix('=')?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Digits alone: no sign, and no leading zero, which some systems read as octal.
pub fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// As we write bytes ourselves.
pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// RFC 4648 base64, padded or not; or passlib's and OpenLDAP's dialect of it, with `.` for `+`.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let either = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, either).decode(text.replace('.', "+")).ok()
}

/// bcrypt's own base64. Some implementations leave chance bits behind the salt's last one.
pub fn bcrypt_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&BCRYPT, lenient).decode(text).ok()
}

/// The base64 of crypt(3), which has the lowest bits first.
pub fn crypt_base64(text: &str) -> Option<Vec<u8>> {
    Base64ShaCrypt::decode_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_exactly_those_named_in_their_order() {
        assert_eq!(numbers("m=8,t=1", ["m", "t"]), Some([8, 1]));
        for bad in ["", "m=8", "t=1,m=8", "m=8,t=1,p=1", "m=+8,t=1", "m=08,t=1", "m=,t=1", "m=8,t=99999999999"] {
            assert_eq!(numbers(bad, ["m", "t"]), None, "{bad:?}");
        }
    }

    #[test]
    fn the_dialects_of_base64_are_told_apart() {
        assert_eq!(base64("+/8="), base64("./8"));
        assert_eq!(base64("-_8="), None);
        assert_eq!(bcrypt_base64("..O"), Some(vec![0, 4]), "chance bits are passed over");
        assert_eq!(crypt_base64("/..."), Some(vec![1, 0, 0]));
    }
}
