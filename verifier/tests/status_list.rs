//! Status lists: the draft's own vectors, and what makes a list unfit to be believed.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use signet_verifier::{Algorithm, JwsError, KeySet, ListError, ListLimits, Policy, Status, StatusList, UnixTime};
use support::{AUDIENCE, ISSUER, NOW, Signer, compress, jwks, list_claims, with};

const URI: &str = "https://id.example.org/status-lists/7";

struct Lists {
    signer: Signer,
    keys: KeySet,
    policy: Policy,
}

impl Lists {
    fn new() -> Self {
        let signer = Signer::generate(Algorithm::ES256, "k1");
        let keys = KeySet::from_json(jwks([&signer]).to_string().as_bytes()).unwrap();
        Self { signer, keys, policy: Policy::new(ISSUER, AUDIENCE) }
    }

    fn verify(&self, token: &str) -> Result<StatusList, ListError> {
        StatusList::verify(token, URI, &self.keys, &self.policy, UnixTime::from_secs(NOW))
    }

    fn changed(&self, changes: Value) -> Result<StatusList, ListError> {
        self.verify(&self.signer.list_token(&with(list_claims(ISSUER, NOW, 1, &[0xb9, 0xa3]), changes)))
    }
}

fn published(file: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The object of a published example, whose long lines are folded.
fn encoded(file: &str) -> Value {
    let text = published(file);
    let unfolded: String = text[text.find('{').unwrap()..].split_whitespace().collect();
    serde_json::from_str(&unfolded).unwrap()
}

fn value(status: Status) -> u8 {
    match status {
        Status::Valid => 0,
        Status::Invalid => 1,
        Status::Suspended => 2,
        Status::Other(value) => value,
    }
}

fn sorted(values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut values: Vec<u8> = values.collect();
    values.sort_unstable();
    values
}

#[test]
fn the_drafts_lists_of_every_width_have_the_drafts_entries_and_no_others() {
    let lists = Lists::new();
    let expected = published("status_list_expected.md");
    let sections: Vec<&str> = expected.split("\n## ").collect();
    let files = ["encoding1_long_json", "encoding2_long_json", "encoding4_json", "encoding8_json"];
    for (bits, file) in [1, 2, 4, 8].into_iter().zip(files) {
        let list = lists.changed(json!({"status_list": encoded(&format!("status_list_{file}.md"))})).unwrap();
        assert_eq!(list.entries(), 1 << 20);
        let section = sections.iter().find(|section| section.starts_with(&format!("{bits}-bit"))).unwrap();
        let stated: std::collections::HashMap<u64, u8> = section
            .lines()
            .filter_map(|line| line.strip_prefix("status[")?.split_once(']'))
            .map(|(index, rest)| (index.parse().unwrap(), rest.split_once("0b").unwrap().1))
            .map(|(index, binary)| (index, u8::from_str_radix(binary.trim(), 2).unwrap()))
            .collect();
        assert!(stated.len() > 10, "{bits} bits");
        for (index, expected) in &stated {
            assert_eq!(value(list.status(*index).unwrap()), *expected, "{bits} bits, entry {index}");
        }
        let mut set: Vec<u8> = (0..list.entries()).map(|index| value(list.status(index).unwrap())).collect();
        set.retain(|value| *value != 0);
        set.sort_unstable();
        // The published text ends early for 8 bits, where every value but 0 is set once.
        let all: Vec<u8> = if bits == 8 { (1..=255).collect() } else { sorted(stated.values().copied()) };
        assert_eq!(set, all, "{bits} bits");
        assert_eq!(list.status(1 << 20), None);
    }
}

#[test]
fn the_drafts_short_lists_are_read_from_the_least_significant_bit() {
    let lists = Lists::new();
    let statuses = |file: &str| -> Vec<u8> {
        let list = lists.changed(json!({"status_list": encoded(file)})).unwrap();
        (0..list.entries()).map(|index| value(list.status(index).unwrap())).collect()
    };
    assert_eq!(statuses("status_list_encoding_json.md"), [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
    assert_eq!(statuses("status_list_encoding2_json.md"), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
}

#[test]
fn only_the_issuers_current_token_of_this_very_list_is_believed() {
    let lists = Lists::new();
    assert!(lists.changed(json!({"iss": ISSUER, "nbf": NOW})).is_ok());
    for (changes, expected) in [
        (json!({"sub": "https://id.example.org/status-lists/8"}), ListError::Subject),
        (json!({"sub": null}), JwsError::ClaimMissing("sub").into()),
        (json!({"iss": "https://other.example"}), JwsError::Issuer.into()),
        (json!({"exp": NOW}), JwsError::Expired(0).into()),
        (json!({"iat": NOW + 1}), JwsError::IssuedInFuture(1).into()),
        (json!({"iat": null}), JwsError::ClaimMissing("iat").into()),
        (json!({"nbf": NOW + 1}), JwsError::NotYetValid(1).into()),
        (json!({"ttl": 0}), ListError::Ttl),
        (json!({"ttl": -5}), ListError::Ttl),
        (json!({"status_list": null}), JwsError::ClaimMissing("status_list").into()),
        (json!({"status_list": {"bits": 3, "lst": compress(&[0])}}), ListError::Bits(3)),
        (json!({"status_list": {"bits": 1, "lst": "AAAA"}}), ListError::Compression),
        (json!({"status_list": {"bits": 1, "lst": format!("{}AAAA", compress(&[0; 7]))}}), ListError::Compression),
        (json!({"status_list": {"bits": 1, "lst": format!("{}=", compress(&[0; 7]))}}), ListError::Compression),
        (json!({"status_list": {"bits": 1, "lst": &compress(&[7; 90])[..12]}}), ListError::Compression),
    ] {
        assert_eq!(lists.changed(changes.clone()).unwrap_err(), expected, "{changes}");
    }
    let access_token = lists.signer.access_token(&list_claims(ISSUER, NOW, 1, &[0]));
    assert_eq!(lists.verify(&access_token).unwrap_err(), JwsError::Type("statuslist+jwt").into());
    let stranger = Signer::generate(Algorithm::ES256, "k1").list_token(&list_claims(ISSUER, NOW, 1, &[0]));
    assert_eq!(lists.verify(&stranger).unwrap_err(), JwsError::Signature.into());
}

#[test]
fn leeway_does_not_prolong_a_list_but_excuses_the_issuers_clock() {
    let mut lists = Lists::new();
    lists.policy = lists.policy.leeway(Duration::from_mins(1));
    assert_eq!(lists.changed(json!({"exp": NOW})).unwrap_err(), JwsError::Expired(0).into());
    assert!(lists.changed(json!({"iat": NOW + 60})).is_ok());
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut lists = Lists::new();
    let limits = ListLimits { decompressed: 1000, ..ListLimits::default() };
    lists.policy = lists.policy.list_limits(limits);
    let of = |length: usize| json!({"status_list": {"bits": 1, "lst": compress(&vec![0; length])}});
    assert!(lists.changed(of(1000)).is_ok());
    assert_eq!(lists.changed(of(1001)).unwrap_err(), ListError::TooLarge(1000));
    assert_eq!(lists.changed(of(100_000_000)).unwrap_err(), ListError::TooLarge(1000));
}

#[test]
fn a_list_without_an_end_is_used_for_a_day_at_most() {
    let lists = Lists::new();
    let list = lists.changed(json!({"exp": null, "ttl": null})).unwrap();
    assert_eq!(list.usable_until(), UnixTime::from_secs(NOW + 86_400));
    assert!(list.is_usable(UnixTime::from_secs(NOW + 86_399)) && !list.is_usable(list.usable_until()));
    let list = lists.changed(json!({"exp": NOW + 90_000})).unwrap();
    assert_eq!(list.usable_until(), UnixTime::from_secs(NOW + 86_400));
}

#[test]
fn a_pushed_range_changes_all_of_it_and_nothing_else() {
    let list = Lists::new().changed(json!({"status_list": {"bits": 2, "lst": compress(&[0; 4])}})).unwrap();
    list.revoke(5..=9);
    list.revoke(14..=u64::MAX);
    let revoked: Vec<u64> = (0..list.entries()).filter(|index| list.status(*index) == Some(Status::Invalid)).collect();
    assert_eq!(revoked, [5, 6, 7, 8, 9, 14, 15]);
}

#[test]
fn a_pushed_revocation_changes_its_entry_alone() {
    let lists = Lists::new();
    for bits in [1, 2, 4, 8] {
        let list = lists.changed(json!({"status_list": {"bits": bits, "lst": compress(&[0xff; 4])}})).unwrap();
        let before: Vec<_> = (0..list.entries()).map(|index| list.status(index)).collect();
        list.revoke(3..=3);
        list.revoke(list.entries()..=u64::MAX);
        for index in 0..list.entries() {
            let expected = if index == 3 { Some(Status::Invalid) } else { before[usize::try_from(index).unwrap()] };
            assert_eq!(list.status(index), expected, "{bits} bits, entry {index}");
        }
    }
}
