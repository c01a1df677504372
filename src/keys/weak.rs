//! RSA keys that look like keys and can be broken, which a key made here never is and an imported one may be.
//!
//! NIST SP 800-57 part 1 §5.6 (length), FIPS 186-5 §A.1.1 (exponent, distance of the primes), CVE-2017-15361 (`roca`).

use rsa::BoxedUint;

use super::roca::has_roca_form;

/// Why an RSA key must not sign. All but the first two can be computed from by anyone who has the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    #[error("its modulus has {0} bits: fewer than 2048 can be factored by those who spend enough")]
    ShortModulus(usize),
    #[error("its modulus has {0} bits: verifiers refuse more than 8192, or spend their time on them")]
    LongModulus(usize),
    #[error("its public exponent is even, or not one of 17 to 33 bits (the usual 65537 has 17)")]
    Exponent,
    #[error("its two primes lie so close together that the modulus can be factored (Fermat's method)")]
    ClosePrimes,
    #[error("its modulus has the form that a faulty library gave it, and can be factored (ROCA, CVE-2017-15361)")]
    Roca,
}

/// Judges the public half; both numbers are big-endian.
///
/// # Errors
/// The first weakness.
pub fn check_public(modulus: &[u8], exponent: &[u8]) -> Result<(), Weakness> {
    match bits(modulus) {
        short @ ..2048 => return Err(Weakness::ShortModulus(short)),
        long @ 8193.. => return Err(Weakness::LongModulus(long)),
        _ => {}
    }
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    if !is_odd || !(17..=33).contains(&bits(exponent)) {
        return Err(Weakness::Exponent);
    }
    if has_roca_form(modulus) { Err(Weakness::Roca) } else { Ok(()) }
}

/// Judges the two primes of a modulus of `modulus_bits`.
///
/// # Errors
/// When they differ by no more than 2^(modulus_bits/2 - 100).
pub fn check_primes(p: &BoxedUint, q: &BoxedUint, modulus_bits: usize) -> Result<(), Weakness> {
    let distance = if p > q { p.wrapping_sub(q) } else { q.wrapping_sub(p) };
    let needed = (modulus_bits / 2).saturating_sub(100);
    if usize::try_from(distance.bit_width()).unwrap_or(0) > needed { Ok(()) } else { Err(Weakness::ClosePrimes) }
}

/// The length of a big-endian number, whatever zeros it begins with.
pub fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |first| first.leading_zeros() as usize);
    (number.len() - zeros) * 8 - first
}

#[cfg(test)]
mod tests {
    use super::*;

    const F4: [u8; 3] = [1, 0, 1];

    /// An odd number of so many bits.
    fn number(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        bytes
    }

    #[test]
    fn a_modulus_has_2048_to_8192_bits() {
        for length in [1, 512, 1024, 2040, 2047] {
            assert_eq!(check_public(&number(length), &F4), Err(Weakness::ShortModulus(length)));
        }
        for length in [2048, 2049, 3072, 4096, 8192] {
            assert_eq!(check_public(&number(length), &F4), Ok(()));
        }
        assert_eq!(check_public(&number(8193), &F4), Err(Weakness::LongModulus(8193)));
        let padded = [&[0, 0], &number(2047)[..]].concat();
        assert_eq!(check_public(&padded, &F4), Err(Weakness::ShortModulus(2047)));
        assert_eq!(check_public(&[], &F4), Err(Weakness::ShortModulus(0)));
    }

    #[test]
    fn an_exponent_is_odd_and_neither_small_nor_large() {
        for weak in [&[][..], &[1], &[3], &[17], &[1, 0, 0], &[0, 0, 0, 3], &[2, 0, 0, 0, 1]] {
            assert_eq!(check_public(&number(2048), weak), Err(Weakness::Exponent), "{weak:?}");
        }
        assert_eq!(check_public(&number(2048), &[1, 0xff, 0xff, 0xff, 0xff]), Ok(()));
    }

    #[test]
    fn primes_keep_their_distance() {
        let p = BoxedUint::from_be_slice_vartime(&number(1024));
        // p with one bit of it cleared.
        let q = |bit: usize| {
            let mut bytes = number(1024);
            bytes[127 - bit / 8] ^= 1 << (bit % 8);
            BoxedUint::from_be_slice_vartime(&bytes)
        };
        assert_eq!(check_primes(&p, &q(924), 2048), Ok(()));
        assert_eq!(check_primes(&q(924), &p, 2048), Ok(()));
        assert_eq!(check_primes(&p, &q(923), 2048), Err(Weakness::ClosePrimes));
        assert_eq!(check_primes(&q(10), &p, 2048), Err(Weakness::ClosePrimes));
        assert_eq!(check_primes(&p, &p, 2048), Err(Weakness::ClosePrimes));
    }
}
