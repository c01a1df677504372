//! One bit for each index of a list, and its compressed form (draft-ietf-oauth-status-list-21 §4.1, §4.2).

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use zlib_rs::{DeflateConfig, ReturnCode, Strategy, compress_bound, compress_slice};

use crate::protocol::status_list::StatusList;

/// The bits of a list: set means invalid. Within a byte the first index is the least significant bit (§4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bits(Vec<u8>);

impl Bits {
    /// All valid. `size` is the number of indexes.
    pub fn new(size: i64) -> Self {
        Self(vec![0; usize::try_from(size.max(0)).unwrap_or(0).div_ceil(8)])
    }

    /// Sets the indexes from `first` to `last`, both included; what lies outside the list is passed over. Answers
    /// whether one of them was not set.
    pub fn set(&mut self, first: i64, last: i64) -> bool {
        let end = i64::try_from(self.0.len() * 8).unwrap_or(i64::MAX) - 1;
        let mut changed = false;
        for index in first.max(0)..=last.min(end) {
            let index = usize::try_from(index).unwrap_or(0);
            let (byte, bit) = (&mut self.0[index / 8], 1 << (index % 8));
            changed |= *byte & bit == 0;
            *byte |= bit;
        }
        changed
    }

    /// Whether an index is set; one outside the list is not.
    pub fn is_set(&self, index: i64) -> bool {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.0.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    pub fn compress(&self) -> StatusList {
        // Bits that are set lie scattered among zeros: there is nothing to find but runs.
        let config = DeflateConfig { strategy: Strategy::Rle, ..DeflateConfig::new(1) };
        let mut room = vec![0; compress_bound(self.0.len())];
        let (bytes, outcome) = compress_slice(&mut room, &self.0, config);
        assert_eq!(outcome, ReturnCode::Ok, "there is room for whatever comes");
        StatusList { bits: 1, lst: URL_SAFE_NO_PAD.encode(bytes) }
    }
}

/// What a client that takes gzip is sent: base64 gives a quarter back.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes what is written")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decompress(lst: &str) -> Vec<u8> {
        let compressed = URL_SAFE_NO_PAD.decode(lst).unwrap();
        let mut bytes = Vec::new();
        flate2::read::ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The `lst` of a published example, whose long lines are folded.
    fn published(example: &str) -> Vec<u8> {
        let unfolded: String = example.split_whitespace().collect();
        let lst = unfolded.split_once("\"lst\":\"").unwrap().1.split('"').next().unwrap();
        decompress(lst)
    }

    #[test]
    fn the_drafts_short_example_has_these_bits() {
        let mut bits = Bits::new(16);
        for index in [0, 3, 4, 5, 7, 8, 9, 13, 15] {
            assert!(bits.set(index, index));
        }
        assert_eq!(bits.0, [0xb9, 0xa3]);
        assert_eq!(decompress(&bits.compress().lst), bits.0);
        let example = include_str!("../../tests/fixtures/vectors/statuslist/status_list_encoding_json.md");
        assert_eq!(published(example), bits.0);
    }

    #[test]
    fn the_drafts_long_example_has_these_bits() {
        let mut bits = Bits::new(1 << 20);
        for index in [0, 1993, 25460, 159_495, 495_669, 554_353, 645_645, 723_232, 854_545, 934_534, 1_000_345] {
            bits.set(index, index);
        }
        let example = include_str!("../../tests/fixtures/vectors/statuslist/status_list_encoding1_long_json.md");
        assert_eq!(published(example), bits.0);
        assert_eq!(decompress(&bits.compress().lst), bits.0);
    }

    #[test]
    fn a_million_tokens_of_which_one_in_a_hundred_is_revoked_are_twenty_kilobytes_in_base64() {
        let (mut bits, mut place) = (Bits::new(1 << 20), 88_172_645_463_325_252_u64);
        for _ in 0..(1 << 20) / 100 {
            // Marsaglia's xorshift: scattered, and the same each time.
            place ^= place << 13;
            place ^= place >> 7;
            place ^= place << 17;
            let index = i64::try_from(place >> 44).unwrap();
            bits.set(index, index);
        }
        let lst = bits.compress().lst;
        assert!(lst.len() < 21_000, "{}", lst.len());
        assert_eq!(decompress(&lst), bits.0);
    }

    #[test]
    fn a_range_sets_all_of_it_once_and_nothing_beyond() {
        let mut bits = Bits::new(64);
        assert!(bits.set(5, 17));
        assert!(!bits.set(6, 17), "nothing new");
        assert!((0..64).all(|index| bits.is_set(index) == (5..=17).contains(&index)));
        assert!(bits.set(60, 1000), "what is in the list");
        assert!(!bits.set(-5, -1) && !bits.set(64, 70));
    }
}
