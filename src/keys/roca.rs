//! Whether an RSA modulus has the form that a faulty smart-card library gave it (ROCA, CVE-2017-15361).
//!
//! Its primes are k·M + (65537^a mod M), M being a product of small primes, so that the modulus is a power of 65537
//! modulo M too. The test is the discrete-logarithm fingerprint of Nemec et al., "The Return of Coppersmith's Attack"
//! (CCS 2017), §2.3: find the exponent modulo each small prime, and see whether one exponent fits them all.

/// The odd primes of M for the shortest keys; the M of longer keys contains them. Other moduli pass for such a one with a
/// probability below 2^-150.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

const GENERATOR: u32 = 65537;

/// `modulus` is big-endian.
pub fn has_roca_form(modulus: &[u8]) -> bool {
    fits_one_exponent(|prime| modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime))
}

/// `residue` is the modulus modulo a small prime.
fn fits_one_exponent(residue: impl Fn(u32) -> u32) -> bool {
    let mut exponents: Vec<(u32, u32)> = Vec::with_capacity(PRIMES.len());
    for prime in PRIMES {
        let powers = powers(prime);
        let order = u32::try_from(powers.len()).unwrap_or(u32::MAX);
        let Some(exponent) = (0..order).zip(powers).find_map(|(at, power)| (power == residue(prime)).then_some(at))
        else {
            return false;
        };
        // By the Chinese remainder theorem one exponent fits all if it fits any two.
        let contradicts = |(other, other_order): &(u32, u32)| exponent.abs_diff(*other) % gcd(order, *other_order) != 0;
        if exponents.iter().any(contradicts) {
            return false;
        }
        exponents.push((exponent, order));
    }
    true
}

/// The powers of the generator modulo `prime`, from the zeroth until they repeat.
fn powers(prime: u32) -> Vec<u32> {
    let next = |power: &u32| Some(power * (GENERATOR % prime) % prime).filter(|next| *next != 1);
    std::iter::successors(Some(1), next).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::entropy::Entropy;

    fn power_of_generator(exponent: u64, modulo: u32) -> u32 {
        let step = |product: u64, _| product * u64::from(GENERATOR) % u64::from(modulo);
        u32::try_from((0..exponent).fold(1, step)).unwrap()
    }

    #[test]
    fn a_modulus_hardly_passes_by_chance() {
        let lcm = |a: u64, b: u32| a / u64::from(gcd(b, u32::try_from(a % u64::from(b)).unwrap())) * u64::from(b);
        let order = PRIMES.map(|prime| u32::try_from(powers(prime).len()).unwrap()).into_iter().fold(1, lcm);
        let units: f64 = PRIMES.map(|prime| f64::from(prime - 1).log2()).iter().sum();
        assert!(units - f64::from(order.ilog2() + 1) > 150.0, "2^{units} units, {order} powers");
    }

    #[test]
    fn a_power_of_the_generator_is_found() {
        for exponent in [0, 1, 2, 65_535, 123_456] {
            assert!(fits_one_exponent(|prime| power_of_generator(exponent, prime)), "{exponent}");
        }
    }

    #[test]
    fn powers_with_different_exponents_are_not_taken_for_one() {
        for odd_one in [5, 17, 101, 167] {
            let exponent = |prime| if prime == odd_one { 1001 } else { 1000 };
            assert!(!fits_one_exponent(|prime| power_of_generator(exponent(prime), prime)), "{odd_one}");
        }
    }

    #[test]
    fn the_published_modulus_of_a_faulty_card_is_known() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vectors/json_web_key_test.json");
        let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let groups = vectors["testGroups"].as_array().unwrap();
        let moduli = groups.iter().filter_map(|group| {
            let n = group["private"]["keys"][0]["n"].as_str()?;
            Some((group["comment"] == "jws_rsa_roca_key", URL_SAFE_NO_PAD.decode(n).unwrap()))
        });
        let judged: Vec<(bool, bool)> = moduli.map(|(roca, n)| (roca, has_roca_form(&n))).collect();
        assert!(judged.iter().all(|(roca, found)| roca == found), "{judged:?}");
        assert!(judged.contains(&(true, true)) && judged.contains(&(false, false)), "{judged:?}");
    }

    #[test]
    fn other_numbers_are_not_accused() {
        let entropy = Entropy::seeded(21);
        for _ in 0..2000 {
            let mut modulus = entropy.bytes::<256>();
            modulus[255] |= 1;
            assert!(!has_roca_form(&modulus));
        }
    }
}
