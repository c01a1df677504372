//! Status lists behind a signature that is right: any claims, any `lst`, and any entries, which come out as they went in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_fuzz::{KID, LIST, NOW, compress, keys, policy, sign};
use signet_verifier::{ListError, ListLimits, Status, StatusList};

const LARGEST: usize = 1 << 16;

fn list(payload: &[u8]) -> Result<StatusList, ListError> {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{KID}","typ":"statuslist+jwt"}}"#);
    let policy = policy().list_limits(ListLimits { decompressed: LARGEST, ..ListLimits::default() });
    StatusList::verify(&sign(header.as_bytes(), payload), LIST, keys(), &policy, NOW)
}

fn claims(bits: u8, lst: &str) -> String {
    let now = NOW.as_secs();
    format!(
        r#"{{"sub":"{LIST}","iat":{now},"exp":{},"ttl":60,"status_list":{{"bits":{bits},"lst":"{lst}"}}}}"#,
        now + 3600
    )
}

fn examine(list: &StatusList) {
    assert!(list.entries() <= 8 * LARGEST as u64);
    assert!(list.is_usable(NOW) && list.uri() == LIST);
    for index in [list.entries(), u64::MAX] {
        assert_eq!(list.status(index), None);
    }
    for index in (0..list.entries()).step_by(97) {
        list.status(index).expect("it is within");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    match choice % 3 {
        // Claims as they come.
        0 => {
            if let Ok(list) = list(rest) {
                examine(&list);
            }
        }
        // A zlib stream as it comes.
        1 => {
            use base64::Engine as _;
            let lst = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rest);
            if let Ok(list) = list(claims(1, &lst).as_bytes()) {
                examine(&list);
            }
        }
        // Entries as they come.
        _ => {
            let bits = [1, 2, 4, 8][usize::from(choice / 3 % 4)];
            let read = list(claims(bits, &compress(rest)).as_bytes());
            if rest.len() > LARGEST {
                assert!(matches!(read, Err(ListError::TooLarge(_))));
                return;
            }
            let list = read.expect("a good list");
            examine(&list);
            let per_byte = 8 / bits;
            assert_eq!(list.entries(), rest.len() as u64 * u64::from(per_byte));
            let written = |index: u64| {
                let byte = u16::from(rest[(index / u64::from(per_byte)) as usize]);
                let shift = (index % u64::from(per_byte)) as u8 * bits;
                Status::from((byte >> shift & ((1 << bits) - 1)) as u8)
            };
            assert!((0..list.entries()).all(|index| list.status(index) == Some(written(index))));
            if rest.is_empty() {
                return;
            }
            // A push sets what it names, and nothing else.
            let first = u64::from(rest[0]) % list.entries();
            let last = first + u64::from(*rest.last().expect("not empty"));
            list.revoke(first..=last);
            for index in 0..list.entries() {
                let expected = if (first..=last).contains(&index) { Status::Invalid } else { written(index) };
                assert_eq!(list.status(index), Some(expected));
            }
        }
    }
});
