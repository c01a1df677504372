//! Known secrets, and whether a text gives one away: as it is, or in a form that somebody can turn back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Shorter values would be found by chance.
const SHORTEST: usize = 12;

/// Every secret that a test has used, each with a word for what it is.
#[derive(Default)]
pub struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    pub fn add(&mut self, what: impl Into<String>, value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        assert!(value.len() >= SHORTEST, "too short to be looked for");
        self.0.push((what.into(), value));
    }

    /// A token's secret part: whoever reads header and claims alone has nothing to present.
    pub fn add_access_token(&mut self, what: &str, token: &str) {
        let (_, signature) = token.rsplit_once('.').expect("a JWT");
        self.add(format!("signature of {what}"), signature);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The secrets that `haystack` gives away, except those that it is meant to show.
    pub fn given_away_by(&self, haystack: &[u8], shown: &[&str]) -> Vec<String> {
        let hidden = self.0.iter().filter(|(_, value)| !shown.iter().any(|shown| shown.as_bytes() == value.as_slice()));
        let found = hidden.flat_map(|(what, value)| {
            let forms = forms(value);
            forms
                .into_iter()
                .filter(|(_, form)| contains(haystack, form))
                .map(move |(form, _)| format!("{what} ({form})"))
        });
        found.collect()
    }

    #[track_caller]
    pub fn assert_hidden(&self, place: &str, haystack: impl AsRef<[u8]>) {
        let found = self.given_away_by(haystack.as_ref(), &[]);
        assert!(found.is_empty(), "{place} gives away: {found:?}");
    }
}

/// How a value may appear: in clear, percent-encoded, in hexadecimal, as a list of numbers, and in base64 wherever it
/// lies in what was encoded.
fn forms(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hexadecimal: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = value.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let encoded = percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut forms = vec![
        ("in clear", value.to_vec()),
        ("percent-encoded", encoded.clone().into_bytes()),
        ("form-encoded", encoded.replace("%20", "+").into_bytes()),
        ("hexadecimal", hexadecimal.to_uppercase().into_bytes()),
        ("hexadecimal", hexadecimal.into_bytes()),
        ("decimal", decimal.into_bytes()),
    ];
    for engine in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            let encoded = engine.encode([&vec![0; before][..], value].concat());
            // The first characters also hold what lies before, the last ones what lies behind.
            let own = &encoded[(before * 8_usize).div_ceil(6)..(before + value.len()) * 8 / 6];
            forms.push(("base64", own.as_bytes().to_vec()));
        }
    }
    forms
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[test]
fn a_secret_is_found_in_every_form_and_place() {
    let mut secrets = Secrets::default();
    secrets.add("a password", "marble / window 47 ünder");
    let value = "marble / window 47 ünder";
    for before in ["", "a", "ab", "abc"] {
        for text in [
            format!("{before}{value}!"),
            STANDARD.encode(format!("{before}{value}!")),
            URL_SAFE.encode(format!("{before}{value}!")),
            percent_encoding::percent_encode(value.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string(),
            format!("{:?}", format!("{before}{value}!").as_bytes()),
        ] {
            assert!(!secrets.given_away_by(text.as_bytes(), &[]).is_empty(), "{text}");
        }
    }
    assert!(secrets.given_away_by(b"marble / window 47", &[]).is_empty());
    assert!(secrets.given_away_by(value.as_bytes(), &[value]).is_empty());
}
